/**
 * What runs virtual machines inside a node: a task engine for their vCPUs, and a party of its own in the talk with the hypervisor.
 *
 * The node carries messages to it and from it, and knows nothing of VMs. Synchronous and pure as the node itself: what it has to say is
 * asked of it after each step.
 */
import type { TaskEngine } from "@backplane/compute-contract/task-engine"
import type { EventEffect, PersistEffect, Restored, SpanEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { BlockAsk, BlockTold } from "./disk-messages.ts"
import type { VmToPeer } from "./vm-move-messages.ts"
import type { VmFromNode, VmToNode } from "./vm-messages.ts"

/** A message for the hypervisor, for the node's door to the store, or for the node `to`, and the span that it belongs to. */
export type VmSaying =
  | { readonly body: VmFromNode | BlockAsk; readonly span?: string; readonly to?: undefined }
  | { readonly body: VmToPeer; readonly span?: string; readonly to: number }

export type VmSaid = VmSaying | SpanEffect | EventEffect | PersistEffect

export interface VmHost extends TaskEngine {
  /** What an earlier life of the node has kept; before anything else. */
  restore(restored: Restored): void
  hear(body: VmToNode | BlockTold): void
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
