/**
 * What runs virtual machines inside a node: a task engine for their vCPUs, and a party of its own in the talk with the hypervisor.
 *
 * The node carries messages to it and from it, and knows nothing of VMs. Synchronous and pure as the node itself: what it has to say is
 * asked of it after each step.
 */
import type { TaskEngine } from "@backplane/compute-contract/task-engine"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type {
  CancelEffect,
  EventEffect,
  PersistEffect,
  Restored,
  SendEffect,
  SpanEffect,
  TimerEffect,
} from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type {
  CoherenceMessage,
  PageMessage,
  PagesAdvice,
  PagesAsk,
  PagesGone,
  PagesRun,
} from "@backplane/memory-contract/coherence-messages"
import type { BlockAsk, BlockTold } from "./disk-messages.ts"
import type { VmFromNode, VmToNode, VmToPeer } from "./vm-messages.ts"

/** A message for the hypervisor, for the node's door to the store, or for the node `to`, and the span that it belongs to. */
export type VmSaying =
  | { readonly body: VmFromNode | BlockAsk; readonly span?: string; readonly to?: undefined }
  | { readonly body: VmToPeer; readonly span?: string; readonly to: number }

/** What a node says about pages of VMs that lie on several nodes, to homes and nodes; its timers; what comes of either. */
export type VmPaging = SendEffect<CoherenceMessage> | TimerEffect | CancelEffect

export type VmSaid = VmSaying | VmPaging | SpanEffect | EventEffect | PersistEffect

/** What it hears of those pages. */
export type VmPages = PageMessage | PagesRun | PagesAsk | PagesGone | PagesAdvice

export interface VmHost extends TaskEngine {
  /** What an earlier life of the node has kept; before anything else. */
  restore(restored: Restored): void
  /** Before anything of a step of the node: what follows happens now. */
  at(now: VirtualTime): void
  hear(body: VmToNode | BlockTold): void
  /** Of pages: from the home of one, or from a node. */
  hearPages(from: ActorId, body: VmPages): void
  /** A timer that it has set: its keys begin with `pages/`. */
  onTimer(key: string): void
  /** What was said to be kept under this key is. */
  onPersisted(key: string): void
  /** What it has to say since it was asked last: messages for the hypervisor, spans and events, in order. */
  say(): readonly VmSaid[]
  /** Requests and notices that wait for an answer. */
  readonly unanswered: number
  /** Time for a repeat of what is unanswered: `say` will give it. */
  repeat(): void
  /** For people. */
  inspect(): Json
}

/** Which life of which node it is in. */
export interface VmHostPlace {
  readonly node: number
  readonly incarnation: number
}
