/**
 * Deliberate bugs of the protocol, as changes of its tables and rules. What finds none of them is no check: the model checker must find
 * each, and so must the random tester on the running machine.
 */
import { HOME_TABLE, type HomeCell, type HomeEvent, type HomeState } from "./home-table.ts"
import { NODE_TABLE, type NodeCell, type NodeEvent, type NodeState } from "./node-table.ts"
import { PROTOCOL, RULES, type Protocol, type Rules } from "./rules.ts"

export interface PlantedProtocol {
  readonly bug: string
  readonly protocol: Protocol
  /** What must be allowed to happen for it to show: CPUs' operations, evictions, a new life of the home, frames that move. */
  readonly needs: "operations" | "evictions" | "crashes" | "moves"
}

type Needs = PlantedProtocol["needs"]

const node = (bug: string, state: NodeState, event: NodeEvent, cell: NodeCell, needs: Needs = "operations"): PlantedProtocol => ({
  bug,
  needs,
  protocol: { ...PROTOCOL, node: { ...NODE_TABLE, [state]: { ...NODE_TABLE[state], [event]: cell } } },
})

const home = (bug: string, state: HomeState, event: HomeEvent, cell: HomeCell, needs: Needs = "operations"): PlantedProtocol => ({
  bug,
  needs,
  protocol: { ...PROTOCOL, home: { ...HOME_TABLE, [state]: { ...HOME_TABLE[state], [event]: cell } } },
})

const rule = (bug: string, rules: Partial<Rules>, needs: Needs = "operations"): PlantedProtocol => ({
  bug,
  needs,
  protocol: { ...PROTOCOL, rules: { ...RULES, ...rules } },
})

export const PLANTED_PROTOCOLS: readonly PlantedProtocol[] = [
  // Rules
  rule("one acknowledgement is enough", { acksComplete: (got, wanted) => wanted === 0 || (got & wanted) !== 0 }),
  rule("a transaction number is used again", { nextTxn: () => 1 }),
  rule("answers of an earlier life of the home count", { epochCounts: () => true }, "crashes"),
  rule("the pin is forgotten", { pinHolds: () => false }),
  rule("SC ignores the reservation", { reservationHolds: () => true }),
  rule("a page leaves its reservation behind", { breaksReservation: false }),
  rule("orders that were overtaken are carried out", { orderIsStale: () => false }),
  rule("a served request is served again", { requestIsOver: () => false }),
  rule("any answer is mine", { answerIsMine: () => true }),
  rule("a later request does not say that the earlier was served", { confirmsEarlier: () => false }),
  rule("any request says that the one under way was served", { confirmsEarlier: () => true }),
  rule("the frame store takes older bytes", { storeTakes: () => true }),
  rule("the frame store takes no bytes", { storeTakes: () => false }),
  rule("an operation that is asked for again is done again", { operationIsRepeated: () => false }),
  rule("a new home serves before all have reported", { rebuildComplete: (reported) => (reported & (reported - 1)) !== 0 }, "crashes"),
  rule("a new home does not look for bytes that were on their way", { copyIsNewer: () => false }, "crashes"),
  rule("a new home believes whoever says that it owns a page", { ownerStands: () => true }, "crashes"),
  rule("a new home begins its serials anew", { rebuiltSerial: () => 0 }, "crashes"),
  rule("the home's serial stands still", { nextSerial: (last) => Math.max(1, last) }),
  rule("who gives a page back to a frame that has gone is not answered", { passesOnPut: false }, "moves"),
  // The node's table
  node("acknowledged before the TLB is clean", "S", "Inv", { next: "I", actions: ["forget", "ack"] }),
  node("a lost acknowledgement is not given again", "I", "InvAgain", { next: "I", actions: [] }),
  node("an upgrade keeps the copy that it lost", "SM_A", "Inv", { next: "SM_A", actions: ["ack"] }),
  node("a downgrade is not written back", "M", "FwdS", { next: "S", actions: ["readRights", "data", "clean"] }),
  node("a downgrade keeps the writable TLB entry", "M", "FwdS", { next: "S", actions: ["data", "writeBack"] }),
  node("from E to M without dirty", "E", "Store", { next: "M", actions: ["writeRights"] }),
  node("E is written and stays E", "E", "Store", { next: "E", actions: ["writeRights"] }),
  node("an owner in E stays it", "E", "FwdS", { next: "E", actions: ["data", "clean"] }),
  node("bytes are let go before they have arrived", "M", "FwdM", { next: "I", actions: ["noRights", "data", "forget"] }),
  node("a given-away page stays readable", "M", "FwdM", { next: "R", actions: ["readRights", "data"] }),
  node("a recalled page is not written back", "M", "Recall", { next: "I", actions: ["noRights", "forget", "ackHome"] }),
  node("a dirty page is evicted without its bytes", "M", "Evict", { next: "MI_A", actions: ["noRights", "put"] }, "evictions"),
  node("an evicted page stays readable", "S", "Evict", { next: "SI_A", actions: ["put"] }, "evictions"),
  node("nothing is said again for a page on its way out", "II_A", "InvAgain", { next: "II_A", actions: [] }, "evictions"),
  node("a lost request is not made again", "IS_D", "Timeout", { next: "IS_D", actions: [] }),
  node("a lost notice of the grant is not given again", "M", "Timeout", { next: "M", actions: [] }),
  node("written before the acknowledgements", "IM_AD", "Data", { next: "M", actions: ["fill", "granted", "dirty", "writeRights"] }),
  node("an upgrade does not wait", "SM_A", "Ack", { next: "M", actions: ["granted", "dirty", "writeRights"] }),
  // The home's table
  home("sharers are not invalidated", "S", "GetM", { next: "B_M", actions: ["clearHolders", "begin", "fetchM"] }),
  home("an owned page is read from the frame", "X", "GetS", { next: "B_S", actions: ["begin", "fetchS"] }),
  home("an owned page is written from the frame", "X", "GetM", { next: "B_M", actions: ["begin", "fetchM"] }),
  home("a reader is not noted", "B_S", "UnblockLast", { next: "settled", actions: ["done"] }),
  home("the home does not wait for the write-back", "B_S", "Unblock", { next: "settled", actions: ["addSharer", "done"] }),
  home("the home is not blocked by an upgrade under way", "B_M", "GetS", { next: "B_S", actions: ["begin", "fetchS"] }),
  home("retained bytes are released too early", "X", "GetM", { next: "B_M", actions: ["begin", "forwardM", "release"] }),
  home("a late Put clears the owner", "X", "PutStale", { next: "settled", actions: ["clearHolders", "done"] }, "evictions"),
  home("one sharer's Put clears all", "S", "PutSharer", { next: "settled", actions: ["clearHolders", "done"] }, "evictions"),
  home("a repeated request drives nothing on", "B_S", "Again", { next: "B_S", actions: [] }),
  home("operations do not wait for the recall", "S", "Operate", { next: "B_O", actions: ["begin", "operate"] }),
  home("a rebuilt page is read without the flush", "D", "GetS", { next: "B_S", actions: ["begin", "fetchS"] }, "crashes"),
  home("the frame of an owned page moves without a recall", "X", "Move", { next: "B_V", actions: ["begin", "handOver"] }, "moves"),
  home("a frame has moved and the home does not note it", "B_V", "Moved", { next: "settled", actions: [] }, "moves"),
  home(
    "a moved page keeps its readers in the directory only",
    "B_W",
    "AckedLast",
    { next: "B_V", actions: ["release", "handOver"] },
    "moves",
  ),
]
