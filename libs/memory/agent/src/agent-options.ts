/** What a page agent is made from and what it says: the seams to the node that holds it. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { Rights } from "@backplane/memory-coherence/page-record"
import type { Protocol } from "@backplane/memory-coherence/rules"
import type {
  PageBytes,
  PageCounts,
  PageMessage,
  PageOperation,
  PagesHashes,
  PagesReport,
  PagesSpare,
  PagesTake,
  PagesWanted,
} from "@backplane/memory-contract/coherence-messages"

export type AgentSays = PageMessage | PagesReport | PageCounts | PagesSpare | PagesTake | PagesWanted | PagesHashes
/** Where effects go. */
export interface AgentOut {
  push(...effects: readonly Effect<AgentSays>[]): unknown
}

/** The node's memory as the agent needs it. `setRights` returns when no CPU of the node can do more any longer. */
export interface AgentMemory {
  /** A copy: in `into`, where the memory can; else fresh. */
  read(page: number, into?: Uint8Array): Uint8Array
  write(page: number, bytes: Uint8Array): void
  setRights(page: number, rights: Rights): void
}

export interface WalkPages {
  readonly ahead: number
  readonly pages: number
  /**
   * `at-once`: asked for with the page that is missed, whatever others do with them. `if-free`: by those who read, and only what the home says is
   * no harm to others: nobody writes them, and no frame is taken for them here.
   */
  readonly when: "at-once" | "if-free"
}

export interface AgentOptions {
  readonly space: string
  readonly node: number
  /** How many nodes the machine has. */
  readonly nodes: number
  readonly memory: AgentMemory
  readonly homeOf: (page: number) => ActorId
  readonly nodeActor: (node: number) => ActorId
  /** The page store of a page's home, whose number is `nodes`; absent: the machine has none. */
  readonly storeOf?: (page: number) => ActorId
  /** An unanswered request is made again after so many cycles; a pin holds at most so many. */
  readonly retryCycles: number
  readonly pinCycles: number
  /** A page that was taken so often in a while is contended: AMOs go to it, it does not come to them. */
  readonly contendedLosses?: number
  /** CPUs that wait for this page may try again; or their operation was done at home and found this. */
  readonly onChange: (page: number) => void
  readonly onResult: (page: number, value: bigint) => void
  /** CPUs that wait for this page do not get it: it is lost, or memory is out. */
  readonly onRefused?: (page: number, reason: string) => void
  /** Copies of pages whose frames lie elsewhere that this node keeps: the oldest goes first, those that were pushed stay. Absent: any. */
  readonly copiesMax?: number
  /** Where a CPU goes through the pages one after the other, at most `ahead` are brought together, of the `pages` there are. Absent: none. */
  readonly walkPages?: WalkPages
  /** How often this node missed on pages is told after so many cycles, where it has changed; absent: never. */
  readonly countCycles?: number
  /** A message that no correct run shows ends the run instead of being refused: for tests of the protocol. */
  readonly strict?: boolean
  /** An operation was done in the frame here for that node, and found this: for checkers. */
  readonly onOperated?: (
    page: number,
    operated: { readonly operation: PageOperation; readonly node: number; readonly found: bigint },
  ) => void
  readonly protocol?: Protocol
  /** In which form bytes of a page are sent; absent: as base64, in plain JavaScript, which is a third of what a fetch costs. */
  readonly text?: PageText
}

export interface PageText {
  /** Of bytes that are the caller's own and that nobody changes any more. */
  encode(bytes: Uint8Array): PageBytes
  /** Base64 in text. */
  decode(text: string): Uint8Array
}

export interface AgentCounts {
  /** Requests made, by what was wanted; pages taken by others; requests made again. */
  readonly getS: number
  readonly getM: number
  readonly operations: number
  readonly taken: number
  readonly repeats: number
  /** Pages that were taken before the instruction that they were brought for had completed, and the time of the pin was not up: none. */
  readonly brokenPins: number
}
