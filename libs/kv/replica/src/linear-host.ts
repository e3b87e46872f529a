/**
 * The linear registers that this replica holds: one consensus group per partition, woken by the first request or message for it.
 *
 * It carries the groups' actions out and answers requesters; what is decided is the group's business (kv/replication/consensus).
 */
import type { Json } from "@backplane/foundation-base/json"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { KvRequest } from "@backplane/kv-contract/client-messages"
import { sameRequest } from "@backplane/kv-contract/idempotency"
import { CONFIG_KEY, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import type { ConsensusItem } from "@backplane/kv-contract/consensus-items"
import { ConsensusGroup, DAMAGED } from "@backplane/kv-replication/consensus/consensus-group"
import type { GroupAction } from "@backplane/kv-replication/consensus/group-types"
import { partitionOf } from "@backplane/kv-replication/hash"
import { holdersIn, nextIn } from "@backplane/kv-replication/placement"
import type { ReplicaCore } from "./core.ts"
import { FollowedEntries } from "./followed-entries.ts"
import { LeaderWait, type AskedLinear, type LinearOperation } from "./leader-wait.ts"
import { rejection, REUSED, type Rejection } from "./rejections.ts"

interface PendingLinear {
  readonly requester: ActorId
  readonly sequence: number
  readonly isWrite: boolean
  readonly startedAt: number
}

const NO_LEADER = "ask again: the partition has no leader that this replica knows of"

export class LinearHost {
  readonly #core: ReplicaCore
  readonly #groups = new Map<number, ConsensusGroup>()
  readonly #restored = new Map<number, Map<string, Json>>()
  readonly #pending = new Map<string, PendingLinear>()
  readonly #waiting: LeaderWait
  readonly #followed: FollowedEntries
  /** Who led each partition at the end of the last step, as far as this replica knew. */
  readonly #leaders = new Map<number, ActorId>()

  readonly #onConfig: (text: string) => void

  /** `onConfig` hears what was applied to the register of the store's configuration. */
  constructor(core: ReplicaCore, onConfig: (text: string) => void) {
    this.#core = core
    this.#onConfig = onConfig
    this.#waiting = new LeaderWait(2 * core.timings.election)
    this.#followed = new FollowedEntries(core)
  }

  /** Requests under way. */
  get count(): number {
    return this.#pending.size + this.#waiting.count
  }

  get isIdle(): boolean {
    return this.#groups.size === 0
  }

  group(partition: number): ConsensusGroup | undefined {
    return this.#groups.get(partition)
  }

  /** One value that was on disk: `r/<partition>/<key>`. */
  restore(key: string, value: Json): void {
    const [, partition, name] = key.split("/")
    const values = this.#restored.get(Number(partition)) ?? new Map<string, Json>()
    values.set(name ?? "", value)
    this.#restored.set(Number(partition), values)
  }

  wakeRestored(): void {
    for (const [partition, values] of [...this.#restored].sort(([a], [b]) => a - b)) if (values.has("meta")) this.#wake(partition)
  }

  /** Something of the partition is lost, or was never here: whatever was voted or acknowledged may be missing, so it is only learned from now on (C5). */
  damaged(partition: number): void {
    const group = this.#groups.get(partition)
    if (group !== undefined) return this.#carry(partition, group.learn())
    const key = `r/${partition}/${DAMAGED}`
    this.restore(key, true)
    this.#core.durable.write(key, true, null)
  }

  begin(requester: ActorId, request: KvRequest, operation: LinearOperation, way: "forwarded" | "direct"): void {
    const core = this.#core
    const { bucket, key } = operation
    const { sequence } = request
    const partition = partitionOf(bucket, key)
    const group = this.#wake(partition)
    this.#carry(partition, group.hurry(core.now))
    if (group.role !== "leader") return this.#withoutLead(partition, group.leader, { requester, request, operation, way })
    const isWrite = operation.type === "cas"
    const name = request.idempotency === undefined || !isWrite ? requester : nameAmong(group.requesters(), `~${request.idempotency}`)
    if (name === null) return this.#rejected(requester, sequence, REUSED)
    const number = name === requester ? sequence : 1
    this.#pending.set(`${name}#${number}`, { requester, sequence, isWrite, startedAt: core.now })
    if (operation.type === "get") this.#carry(partition, group.read({ requester, sequence, bucket, key }))
    else {
      const { expect, value } = operation
      const actions = group.propose({ requester: name, sequence: number, bucket, key, expect, value })
      if (request.trace !== undefined) this.#followed.proposed(partition, group, { bucket, key, value, trace: request.trace })
      this.#carry(partition, actions)
    }
  }

  #rejected(requester: ActorId, sequence: number, why: Rejection): void {
    this.#core.book.forget(requester, sequence)
    this.#core.outbox.answer(requester, rejection(sequence, why))
  }

  /** To who leads; where nobody is known to, it waits here until somebody does: an election is a matter of a few messages. */
  #withoutLead(partition: number, leader: ActorId | null, asked: AskedLinear): void {
    const { book, outbox, now, versions } = this.#core
    const { requester, request, way } = asked
    const { sequence } = request
    if (leader === null && this.#waiting.add(partition, asked, now)) return
    book.forget(requester, sequence)
    // A forwarded request goes no further: two replicas that each believe in the other would play ball.
    if (leader === null || leader === this.#core.id || way === "forwarded") {
      outbox.answer(requester, rejection(sequence, { reason: "no-leader", remedy: NO_LEADER }))
      return
    }
    outbox.send(leader, { type: "forward", requester, request: versions.request(leader, request) })
    this.#waiting.passedOn(partition, leader, asked, now)
  }

  /** Another leads, or nobody: what was passed on to the one before a moment ago may be lost with it, and waits for the next. */
  #noteLeader(partition: number, leader: ActorId | null): void {
    const before = this.#leaders.get(partition) ?? null
    if (leader === before) return
    if (before !== null) this.#waiting.again(partition, before, this.#core.now)
    if (leader === null) this.#leaders.delete(partition)
    else this.#leaders.set(partition, leader)
  }

  /** Somebody leads: what waited for that is begun. */
  #letGo(partition: number, group: ConsensusGroup): void {
    if (group.leader === null) return
    for (const { requester, request, operation, way } of this.#waiting.take(partition)) this.begin(requester, request, operation, way)
  }

  onItem(from: ActorId, { partition, message }: ConsensusItem): void {
    if (!this.#core.keeps(partition)) return
    this.#carry(partition, this.#wake(partition).hear(this.#core.now, from, message))
  }

  /** The replica is gone: groups that it led choose another leader. */
  gone(peer: ActorId): void {
    for (const [partition, group] of this.#groups) this.#carry(partition, group.gone(this.#core.now, peer))
  }

  onDurable(partition: number, ticket: number): void {
    const group = this.#groups.get(partition)
    if (group !== undefined) this.#carry(partition, group.durable(ticket, this.#core.now))
  }

  tick(): void {
    const { now, timings } = this.#core
    for (const [partition, group] of this.#groups) this.#carry(partition, group.tick(now))
    for (const { requester, request } of this.#waiting.late(now))
      this.#rejected(requester, request.sequence, { reason: "no-leader", remedy: NO_LEADER })
    for (const [name, pending] of this.#pending) {
      if (now - pending.startedAt < timings.deadline) continue
      this.#pending.delete(name)
      const remedy = "ask again, with the same sequence: no majority answered in time"
      this.#rejected(pending.requester, pending.sequence, { reason: "quorum-not-met", remedy, unknown: pending.isWrite })
    }
  }

  /** What was proposed and read in this step leaves together. */
  flush(): void {
    for (const [partition, group] of this.#groups) {
      this.#noteLeader(partition, group.leader)
      if (this.#waiting.has(partition)) this.#letGo(partition, group)
      this.#carry(partition, group.flush(this.#core.now))
    }
    this.#followed.progressed(this.#groups)
  }

  #wake(partition: number): ConsensusGroup {
    const known = this.#groups.get(partition)
    if (known !== undefined) return known
    const { config, id, rules, timings, now } = this.#core
    const group = new ConsensusGroup({
      id,
      partition,
      ...votersOf(config, partition),
      rules: rules.consensus,
      election: timings.election,
      heartbeat: timings.heartbeat,
      restored: this.#restored.get(partition) ?? new Map<string, Json>(),
    })
    this.#groups.set(partition, group)
    this.#carry(partition, group.tick(now))
    return group
  }

  /** The configuration changed: groups go by the new sets of voters. */
  reconfigured(): void {
    for (const [partition, group] of this.#groups)
      this.#carry(partition, group.reconfigure(this.#core.now, votersOf(this.#core.config, partition)))
  }

  /** Whether this replica could take part in a commit of the partition's registers. */
  isActive(partition: number): boolean {
    return this.#groups.get(partition)?.isActive === true
  }

  /** Whether what this replica was to have of the partition's registers may be missing. */
  isDamaged(partition: number): boolean {
    return this.#groups.get(partition)?.isDamaged ?? this.#restored.get(partition)?.has(DAMAGED) === true
  }

  /** Somebody waits for an entry of the partition: its voters hear of it, and one of them is to lead. */
  rouse(partition: number): void {
    this.#carry(partition, this.#wake(partition).hurry(this.#core.now))
  }

  /** The latest configuration that an entry of the partition names, as far as is committed here; null where there is no group. */
  committedEpoch(partition: number): number | null {
    return this.#groups.get(partition)?.committedEpoch ?? null
  }

  /** The partition is no longer kept here. */
  drop(partition: number): void {
    const group = this.#groups.get(partition)
    if (group === undefined) return
    this.#groups.delete(partition)
    this.#leaders.delete(partition)
    for (const { requester, request } of this.#waiting.take(partition)) this.#core.book.forget(requester, request.sequence)
    this.#restored.delete(partition)
    for (const key of group.keysOnDisk()) this.#core.durable.write(`r/${partition}/${key}`, null, null)
  }

  #carry(partition: number, actions: readonly GroupAction[]): void {
    const { outbox, durable } = this.#core
    for (const action of actions) {
      switch (action.do) {
        case "send":
          outbox.send(
            action.to,
            { type: "consensus", partition, message: action.message },
            this.#followed.spanOf(partition, action.message),
          )
          break
        case "write":
          durable.write(
            `r/${partition}/${action.key}`,
            action.value,
            action.ticket === null ? null : { kind: "consensus", partition, ticket: action.ticket },
          )
          break
        case "applied":
          this.#applied(action)
          break
        case "read":
          this.#answer(action.read.requester, action.read.sequence, { values: action.value === null ? [] : [action.value] })
          break
        case "refused":
          this.#refused(action.requester, action.sequence)
          break
      }
    }
  }

  #applied({ command, result }: Extract<GroupAction, { do: "applied" }>): void {
    if (command.bucket === SYSTEM_BUCKET && command.key === CONFIG_KEY && command.value !== null) this.#onConfig(command.value)
    if (result === "forgotten") {
      this.#refused(command.requester, command.sequence)
      return
    }
    this.#answer(command.requester, command.sequence, { values: result.value === null ? [] : [result.value], swapped: result.swapped })
  }

  /** `requester` and `sequence` as the log names them. */
  #answer(requester: string, sequence: number, what: { readonly values: string[]; readonly swapped?: boolean }): void {
    const pending = this.#take(requester, sequence)
    if (pending === undefined) return
    const answer = { sequence: pending.sequence, ok: true as const, context: {}, ...what }
    this.#core.book.set(pending.requester, pending.sequence, answer)
    this.#core.outbox.answer(pending.requester, answer)
  }

  #refused(requester: string, sequence: number): void {
    const pending = this.#take(requester, sequence)
    if (pending === undefined) return
    this.#rejected(pending.requester, pending.sequence, { reason: "no-leader", remedy: NO_LEADER })
  }

  #take(requester: string, sequence: number): PendingLinear | undefined {
    const name = `${requester}#${sequence}`
    const pending = this.#pending.get(name)
    this.#pending.delete(name)
    return pending
  }
}

/** The name under which the log has the request already, else its own; null where it has another request under the caller's name of this one. */
function nameAmong(requesters: readonly string[], name: string): string | null {
  let reused = false
  for (const known of requesters) {
    const alike = known.startsWith("~") ? sameRequest(known, name) : "other"
    if (alike === "same") return known
    reused ||= alike === "reused"
  }
  return reused ? null : name
}

function votersOf(
  config: StoreConfig,
  partition: number,
): { readonly voters: readonly ActorId[]; readonly next: readonly ActorId[] | null; readonly epoch: number } {
  return { voters: holdersIn(config, partition), next: nextIn(config, partition), epoch: config.changed[partition] ?? 0 }
}
