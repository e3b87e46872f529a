/** What the nodes of one guest say to each other beside the messages about pages, and what such a node is made from (board-node.ts). */
import type { Effect } from "@backplane/foundation-actor/machine"
import type { Engine } from "@backplane/compute-contract/engine"
import type { AgentSays } from "@backplane/memory-agent/agent-options"
import type { PageMessage, PagesAsk, PagesGone, PagesRun, PagesTake } from "@backplane/memory-contract/coherence-messages"
import type { LeaseReport, MemoryUp } from "@backplane/memory-contract/memory-messages"
import type { BoardEnd, BootImage } from "@backplane/trap-board/board-types"
import type { Disk } from "@backplane/trap-devices/virtio-block/disk"

/** Between the nodes of one such guest; a hart has at most one question under way. */
export type BoardMessage =
  | {
      readonly kind: "IoAsk"
      readonly hart: number
      readonly address: bigint
      readonly width: 1 | 2 | 4 | 8
      readonly value: bigint | null
    }
  | { readonly kind: "IoAnswer"; readonly hart: number; readonly value: bigint | null; readonly absent: boolean }
  | { readonly kind: "HartLines"; readonly hart: number; readonly lines: bigint }
  | { readonly kind: "SbiAsk"; readonly hart: number; readonly registers: readonly bigint[] }
  | { readonly kind: "SbiAnswered"; readonly hart: number; readonly error: bigint; readonly value: bigint | null }
  | { readonly kind: "HartBegin"; readonly hart: number; readonly pc: bigint; readonly opaque: bigint }
  | { readonly kind: "HartSoftware"; readonly hart: number; readonly pending: boolean }
  /** Of a node that has nothing else to say. */
  | { readonly kind: "StillThere" }
  /** From outside: something was typed. */
  | { readonly kind: "ConsoleTyped" }

/** A numbered message between two nodes of one guest (linked-node.ts), and: everything below this number has arrived. */
export interface LinkFrame {
  readonly kind: "LinkFrame"
  readonly number: number
  readonly body: BoardMessage
}
export interface LinkAck {
  readonly kind: "LinkAck"
  readonly below: number
}

/** `lost`: memory, harts or devices that it needs went down with a node. */
export type SharedEnd = BoardEnd | { readonly kind: "end"; readonly reason: "lost"; readonly code: 1 }

export type Hears = PageMessage | PagesRun | PagesTake | PagesAsk | PagesGone | MemoryUp | BoardMessage
export type Says = AgentSays | PagesRun | LeaseReport | BoardMessage
export type Out = Effect<Says>[]

/** How much a node gives way to the others of its guest. */
export interface GiveWay {
  /** A page that has come is kept for so long, while harts of the node get on. Zero: until the instruction that it was brought for has retired. */
  readonly holdCycles: number
  /** A hart that only goes round rests for so long at most. Zero: harts never rest. */
  readonly restCycles: number
  /** AMOs on pages that are taken again and again are done where the page lies. */
  readonly farOperations: boolean
}

export interface BoardNodeConfig extends GiveWay {
  readonly node: number
  readonly nodes: number
  /** With as many CPUs as the guest has harts; those of other nodes are never run here. */
  readonly engine: Engine
  readonly image: BootImage
  readonly nodeOfHart: (hart: number) => number
  /** At node 0. */
  readonly disks: readonly Disk[]
  readonly retryCycles: number
  /** At least twice `holdCycles`, or holds would be cut short. */
  readonly pinCycles: number
}
