/** What goes into a consensus group and what comes out of it (see consensus-group.ts). */
import type { Json } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Command, ConsensusMessage } from "@backplane/kv-contract/consensus-items"
import type { ConsensusRules } from "./consensus-rules.ts"
import type { Applied } from "./register-machine.ts"

export type GroupAction =
  | { readonly do: "send"; readonly to: ActorId; readonly message: ConsensusMessage }
  /** When the write with a ticket is on disk, so are all before it: call `durable(ticket)`. */
  | { readonly do: "write"; readonly key: string; readonly value: Json; readonly ticket: number | null }
  | { readonly do: "applied"; readonly command: Command; readonly result: Applied }
  | { readonly do: "read"; readonly read: Read; readonly value: string | null }
  | { readonly do: "refused"; readonly requester: string; readonly sequence: number }

export interface Read {
  readonly requester: string
  readonly sequence: number
  readonly bucket: string
  readonly key: string
}

export interface GroupOptions {
  readonly id: ActorId
  readonly partition: number
  /** All holders of the partition, this one among them. */
  readonly voters: readonly ActorId[]
  /** Of a partition that is moved: who will hold it. Every majority is then one of both sets. */
  readonly next?: readonly ActorId[] | null
  /** The epoch of the configuration that says so. */
  readonly epoch?: number
  readonly rules: ConsensusRules
  readonly election: number
  readonly heartbeat: number
  /** What was on disk; with `DAMAGED` among it the group begins as a learner (C5). */
  readonly restored: ReadonlyMap<string, Json>
}

export type Voters = Required<Pick<GroupOptions, "voters" | "next" | "epoch">>

export type Append = Extract<ConsensusMessage, { step: "append" }>
export type AppendAnswer = Extract<ConsensusMessage, { step: "append-answer" }>
export type AnyVote = Extract<ConsensusMessage, { step: "vote" | "pre-vote" }>
