/** What a service needs of a host, whichever clock it runs by: one host for each machine that has actors here. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import type { ActorReport } from "./control-protocol.ts"

export interface ActorToHost {
  readonly actor: ActorId
  readonly epoch: number
  readonly machine: Machine
}

export interface MachineHost {
  /** Loads what is persisted, subscribes, starts. Rejects where the state on disk is damaged. */
  add(actor: ActorToHost): Promise<void>
  /** Stops delivery and forgets the actor; its state on disk stays. False where it is not here. */
  remove(actor: ActorId): boolean
  has(actor: ActorId): boolean
  epochOf(actor: ActorId): number | null
  reports(): readonly ActorReport[]
  /** Stops all of them. */
  stop(reason: string): void
}

/** Called once when an actor's reasoning or a write has failed: nothing of this process can be trusted any more. */
export type OnFatal = (error: Error, actor: ActorId) => void
