/**
 * One page at its home: interprets the home's table. Pure: an entry is changed in place, and what is to be said comes back in order.
 *
 * The home knows who may hold the page (a superset of who does), never its bytes. It has no timer: a transaction that got stuck is
 * driven on when its requester asks again. Not here: where the frame store of a page lies, the rebuild of a whole directory (rebuild.ts).
 */
import { assert } from "@backplane/foundation-base/assert"
import {
  bit,
  has,
  nodesOf,
  type EndFlow,
  type Flow,
  type GetFlow,
  type HomeOrderFlow,
  type NodeMask,
  type PutFlow,
  type Want,
} from "./flow.ts"
import { ImpossibleMessage } from "./impossible.ts"
import type { HomeAction, HomeEvent, HomeState } from "./home-table.ts"
import type { Protocol } from "./rules.ts"

/** Where the freshest bytes lie, when it is no node. */
export const STORE = -1
const NOBODY = -1

export interface Transaction {
  readonly kind: "GetS" | "GetM" | "Upgrade" | "Operate" | "Flush" | "Move"
  readonly node: number
  readonly txn: number
  readonly want: Want
  /** Who had to acknowledge to the requester, and who to the home. */
  readonly acks: NodeMask
  /** The home waits for these (recall), or for the frame store (`stored`). */
  waiting: NodeMask
  /** Needs `Stored`, and has not got it. */
  unstored: boolean
  unblocked: boolean
}

export type HomeRequest = GetFlow | PutFlow

export interface HomeEntry {
  state: HomeState
  /** Number of the last transaction. Only grows. */
  serial: number
  /** The owner in state X, else -1. I1: with an owner there are no sharers. */
  owner: number
  /** Nodes that may hold a readable copy. I3: a superset of those that do. */
  sharers: NodeMask
  /** In state D the node with the freshest bytes, else the frame store. */
  source: number
  transaction: Transaction | null
  /** Requests that wait, at most one of each node. */
  queue: HomeRequest[]
  /** By node: the last request that was served. */
  served: number[]
  /** Where nobody has the page, a reader gets S, not E: each write is told to the home. For frames that no node is to own, as in a page store. */
  readersOnly: boolean
}

export function newHomeEntry(nodes: number): HomeEntry {
  return {
    state: "U",
    serial: 0,
    owner: NOBODY,
    sharers: 0,
    source: STORE,
    transaction: null,
    queue: [],
    served: new Array<number>(nodes).fill(0),
    readersOnly: false,
  }
}

/** `moved` is no message: from here on the frame store of the page is the node that this comes from. */
export type HomeSend =
  | { readonly to: "store" | number; readonly flow: Flow }
  /** Nobody waits for it: it may be said later, with others. */
  | { readonly to: number; readonly flow: EndFlow; readonly later: true }
  | { readonly to: "moved"; readonly flow: Extract<Flow, { kind: "Moved" }> }

export interface HomeContext {
  readonly protocol: Protocol
  readonly epoch: number
}

/** A message for this page. The requests that can go on after it go on at once. */
export function hearHome(context: HomeContext, entry: HomeEntry, flow: Flow): readonly HomeSend[] {
  const sends: HomeSend[] = []
  const { rules } = context.protocol
  if (!rules.epochCounts(flow.epoch, context.epoch)) return sends
  const { transaction } = entry
  if (isRequest(flow) && transaction?.node === flow.node && !isHomes(transaction) && rules.confirmsEarlier(flow.txn, transaction.txn)) {
    const { epoch, node } = flow
    handle(context, entry, { kind: "Unblock", epoch, node, txn: transaction.txn }, sends)
    // Who asked before this one comes first.
    serveQueue(context, entry, sends)
  }
  handle(context, entry, flow, sends)
  serveQueue(context, entry, sends)
  return sends
}

function serveQueue(context: HomeContext, entry: HomeEntry, sends: HomeSend[]): void {
  while (entry.transaction === null) {
    const next = entry.queue.shift()
    if (next === undefined) return
    handle(context, entry, next, sends)
  }
}

function handle(context: HomeContext, entry: HomeEntry, flow: Flow, sends: HomeSend[]): void {
  const event = eventOf(context, entry, flow)
  if (event === null) return
  if (event === "over") {
    assert("txn" in flow, "a request has a number")
    sends.push({ to: flow.node, flow: { kind: "Done", epoch: context.epoch, node: flow.node, txn: flow.txn } })
    return
  }
  const cell = context.protocol.home[entry.state][event]
  if (cell === "stall") return enqueue(entry, flow)
  if (cell === "impossible") throw new ImpossibleMessage(`impossible: ${event} in state ${entry.state}`)
  for (const action of cell.actions) act(context, entry, { action, flow, sends })
  entry.state = cell.next === "settled" ? settledState(entry) : cell.next
}

function settledState({ owner, source, sharers }: HomeEntry): HomeState {
  if (owner !== NOBODY) return "X"
  if (source !== STORE) return "D"
  return sharers === 0 ? "U" : "S"
}

function isRequest(flow: Flow): flow is HomeRequest {
  return flow.kind === "GetS" || flow.kind === "GetM" || flow.kind === "Operate" || flow.kind === "Put"
}

function enqueue(entry: HomeEntry, flow: Flow): void {
  assert(isRequest(flow), "only requests wait")
  const at = entry.queue.findIndex(({ node }) => node === flow.node)
  if (at < 0) entry.queue.push(flow)
  else if ((entry.queue[at]?.txn ?? 0) <= flow.txn) entry.queue[at] = flow
}

/** `over`: the request was served, say so again; null: late, or of no meaning now. */
function eventOf({ protocol: { rules } }: HomeContext, entry: HomeEntry, flow: Flow): HomeEvent | "over" | null {
  const { transaction } = entry
  switch (flow.kind) {
    case "GetS":
    case "GetM":
    case "Operate":
    case "Put": {
      const isSame = transaction?.node === flow.node && rules.answerIsMine(flow.txn, transaction.txn)
      if (isSame) return "Again"
      if (rules.requestIsOver(flow.txn, entry.served[flow.node] ?? 0)) return "over"
      return requestEvent(entry, flow)
    }
    case "Move":
      // Of the home itself: what is under way goes on, whatever it is for.
      return transaction?.kind === "Move" ? "Again" : "Move"
    case "Moved":
      return entry.state === "B_V" && flow.serial === entry.serial ? "Moved" : null
    case "Unblock":
      if (transaction?.node !== flow.node || !rules.answerIsMine(flow.txn, transaction.txn) || isHomes(transaction)) return "over"
      if (transaction.unblocked) return "Again"
      return transaction.unstored || entry.state === "B_R" ? "Unblock" : "UnblockLast"
    case "Stored":
    case "RecallAck":
      if (transaction === null || flow.serial !== entry.serial) return null
      if (entry.state === "B_R" || entry.state === "B_W") {
        if (!has(transaction.waiting, flow.from)) return null
        const isLast = rules.acksComplete(bit(flow.from), transaction.waiting)
        return flow.kind === "Stored" ? (isLast ? "StoredLast" : "Stored") : isLast ? "AckedLast" : "Acked"
      }
      if (flow.kind === "RecallAck" || !transaction.unstored) return null
      return transaction.unblocked || entry.state === "B_F" ? "StoredLast" : "Stored"
    default:
      throw new ImpossibleMessage(`no home hears ${flow.kind}`)
  }
}

/** Begun by the home: no node asked for it. */
function isHomes({ kind }: Transaction): boolean {
  return kind === "Flush" || kind === "Move"
}

function requestEvent(entry: HomeEntry, flow: HomeRequest): HomeEvent {
  if (flow.kind === "Put") {
    if (entry.owner === flow.node) return "PutOwner"
    return has(entry.sharers, flow.node) ? "PutSharer" : "PutStale"
  }
  return flow.kind === "GetM" && flow.has && has(entry.sharers, flow.node) ? "Upgrade" : flow.kind
}

interface Act {
  readonly action: HomeAction
  readonly flow: Flow
  readonly sends: HomeSend[]
}

function act(context: HomeContext, entry: HomeEntry, { action, flow, sends }: Act): void {
  switch (action) {
    case "begin":
      return begin(context, entry, { flow, kind: kindOf(entry, flow) })
    case "beginFlush":
      return begin(context, entry, { flow, kind: "Flush" })
    case "queue":
      return enqueue(entry, flow)
    case "fetchE":
    case "fetchS":
    case "fetchM":
    case "operate":
    case "forwardS":
    case "forwardM":
    case "invalidate":
    case "grant":
    case "recall":
    case "flush":
    case "handOver":
      return order(context, entry, { action, sends })
    case "repeat":
      return repeat(context, entry, { flow, sends })
    case "note":
      return note(entry, flow)
    case "done": {
      assert("txn" in flow || entry.transaction !== null, "something is over")
      const { node, txn } = entry.transaction ?? (flow as HomeRequest)
      entry.served[node] = Math.max(entry.served[node] ?? 0, txn)
      const over: EndFlow = { kind: "Done", epoch: context.epoch, node, txn }
      // Who gave a page back waits for it; who was granted one has what it wants.
      sends.push(entry.transaction === null ? { to: node, flow: over } : { to: node, flow: over, later: true })
      entry.transaction = null
      return
    }
    case "release":
      return release(context, entry, sends)
    case "moved":
      assert(flow.kind === "Moved", "the new frame store says so")
      entry.transaction = null
      sends.push({ to: "moved", flow })
      return
    default:
      return holders(entry, { action, flow })
  }
}

function begin(
  { protocol: { rules } }: HomeContext,
  entry: HomeEntry,
  { flow, kind }: { readonly flow: Flow; readonly kind: Transaction["kind"] },
): void {
  assert("txn" in flow && "node" in flow && !("serial" in flow), "a request begins a transaction")
  const { state, sharers, owner } = entry
  entry.serial = rules.nextSerial(entry.serial)
  entry.transaction = {
    kind,
    node: flow.node,
    txn: flow.txn,
    want: kind === "GetS" ? (state === "U" && !entry.readersOnly ? "E" : "S") : "M",
    acks: kind === "GetM" || kind === "Upgrade" ? sharers & ~bit(flow.node) : 0,
    waiting: kind === "Operate" || kind === "Move" ? sharers | (owner === NOBODY ? 0 : bit(owner)) : 0,
    unstored: kind === "Flush" || (kind === "GetS" && state === "X"),
    unblocked: false,
  }
}

function kindOf(entry: HomeEntry, flow: Flow): Transaction["kind"] {
  if (flow.kind === "Move") return "Move"
  const kind = requestEvent(entry, flow as HomeRequest)
  assert(kind === "GetS" || kind === "GetM" || kind === "Upgrade" || kind === "Operate", "a request begins a transaction")
  return kind
}

type OrderAction = Extract<
  HomeAction,
  "fetchE" | "fetchS" | "fetchM" | "operate" | "forwardS" | "forwardM" | "invalidate" | "grant" | "recall" | "flush" | "handOver"
>

function order(
  { epoch }: HomeContext,
  entry: HomeEntry,
  { action, sends }: { readonly action: OrderAction; readonly sends: HomeSend[] },
): void {
  const { serial, transaction, owner } = entry
  assert(transaction !== null, "an order belongs to a transaction")
  const { node, txn, acks, want } = transaction
  const command = (kind: HomeOrderFlow["kind"], to: number): void => {
    sends.push({ to, flow: { kind, epoch, serial, to, node, txn, acks } })
  }
  switch (action) {
    case "fetchE":
    case "fetchS":
    case "fetchM":
      sends.push({ to: "store", flow: { kind: "Fetch", epoch, serial, node, txn, want, acks } })
      return
    case "operate":
      sends.push({ to: "store", flow: { kind: "OperateAtHome", epoch, serial, node, txn, want, acks } })
      return
    case "forwardS":
      return command("FwdS", owner)
    case "forwardM":
      return command("FwdM", owner)
    case "invalidate":
      for (const sharer of nodesOf(acks)) command("Inv", sharer)
      return
    case "grant":
      // With sharers, their acknowledgements say it all.
      if (acks !== 0) return
      sends.push({ to: node, flow: { kind: "Grant", epoch, serial, node, txn, want: "M", acks, version: 0, value: 0 } })
      return
    case "recall":
      for (const holder of nodesOf(transaction.waiting)) command("Recall", holder)
      return
    case "flush":
      return command("Flush", entry.source)
    case "handOver":
      sends.push({ to: "store", flow: { kind: "HandOver", epoch, serial, node } })
  }
}

/** By what the transaction still misses. Who has answered before answers again. */
function repeat(context: HomeContext, entry: HomeEntry, { flow, sends }: { readonly flow: Flow; readonly sends: HomeSend[] }): void {
  const { transaction, owner, state } = entry
  assert(transaction !== null, "a transaction is repeated")
  if (flow.kind === "Unblock") transaction.unblocked = true
  const again = (action: OrderAction): void => {
    order(context, entry, { action, sends })
  }
  if (state === "B_R" || state === "B_W") again("recall")
  else if (state === "B_V") again("handOver")
  else if (state === "B_O") again("operate")
  else if (state === "B_F") again("flush")
  else if (owner !== NOBODY) again(state === "B_S" ? "forwardS" : "forwardM")
  else {
    if (state === "B_M") again("invalidate")
    again(transaction.kind === "Upgrade" ? "grant" : "fetchM")
  }
}

function note({ transaction }: HomeEntry, flow: Flow): void {
  assert(transaction !== null, "an answer belongs to a transaction")
  if (flow.kind === "Unblock") transaction.unblocked = true
  else if (flow.kind === "Stored" || flow.kind === "RecallAck") {
    transaction.unstored = false
    transaction.waiting &= ~bit(flow.from)
  }
}

/** Whoever gave the page away in this transaction need not keep its bytes any longer. */
function release({ epoch }: HomeContext, entry: HomeEntry, sends: HomeSend[]): void {
  const { serial, owner } = entry
  if (owner === NOBODY) return
  sends.push({ to: owner, flow: { kind: "Released", epoch, serial, to: owner, node: owner, txn: 0, acks: 0 } })
}

function holders(
  entry: HomeEntry,
  {
    action,
    flow,
  }: {
    readonly action: Extract<HomeAction, "addSharer" | "setOwner" | "removeSharer" | "clearHolders" | "storeFresh">
    readonly flow: Flow
  },
): void {
  const { transaction } = entry
  switch (action) {
    case "addSharer":
      assert(transaction !== null, "a request is served")
      if (transaction.want === "E") {
        entry.owner = transaction.node
        return
      }
      entry.sharers |= bit(transaction.node) | (entry.owner === NOBODY ? 0 : bit(entry.owner))
      entry.owner = NOBODY
      return
    case "setOwner":
      assert(transaction !== null, "a request is served")
      entry.owner = transaction.node
      entry.sharers = 0
      return
    case "removeSharer":
      assert("node" in flow, "a request names its node")
      entry.sharers &= ~bit(flow.node)
      return
    case "clearHolders":
      entry.owner = NOBODY
      entry.sharers = 0
      return
    case "storeFresh":
      entry.source = STORE
      entry.transaction = null
  }
}
