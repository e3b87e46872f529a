/**
 * Knows the configuration of the store, passes it on, and asks for the next one when a move is done.
 *
 * The truth is a linear register of the store itself. A replica that applies a change to it takes the new configuration over and tells everybody;
 * who missed that learns of it when somebody speaks to it under a later epoch, or refuses what it says under an older one.
 *
 * Invariant K1: what is said about a partition under an epoch before its last change is neither counted nor done (P1 of kv/replication rests on it).
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import type { KvAnswer, KvRequest, Operation } from "@backplane/kv-contract/client-messages"
import type { PeerItem } from "@backplane/kv-contract/peer-items"
import { CONFIG_KEY, isStoreConfig, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionOf } from "@backplane/kv-replication/hash"
import { nextIn, withMoved, withVersion } from "@backplane/kv-replication/placement"
import type { ReplicaCore } from "./core.ts"

const PLACE = { bucket: SYSTEM_BUCKET, key: CONFIG_KEY } as const
/** A peer is told or asked again after this. */
const AGAIN_CYCLES = 20_000
const REPEAT_CYCLES = 150_000

interface Proposal {
  readonly request: KvRequest
  readonly partitions: readonly number[]
  attempt: number
  sentAt: number
}

export class ConfigKeeper {
  readonly #core: ReplicaCore
  readonly #onAdopted: () => void
  readonly #toldAt = new Map<string, number>()
  /** Partitions that this replica has copied and may hold. */
  #ready = new Set<number>()
  #proposal: Proposal | null = null
  #sequence = 0
  #rounds = 0

  constructor(core: ReplicaCore, onAdopted: () => void) {
    this.#core = core
    this.#onAdopted = onAdopted
  }

  get isIdle(): boolean {
    return this.#proposal === null && this.#ready.size === 0 && !this.#mayRaise()
  }

  /** Whether an item that was said under `epoch` may be worked on (K1); brings both sides to the same epoch where not. */
  admits(from: ActorId, item: PeerItem, epoch: number): boolean {
    const { config } = this.#core
    // Who knows as much needs no answer.
    if (item.type === "config-ask") return epoch < config.epoch
    // Nothing changed after the epoch that both go by: nearly always, so no partition is worked out.
    if (epoch === config.epoch) return true
    const partition = fencedPartition(item)
    if (epoch > config.epoch) {
      this.#once(from, { type: "config-ask" })
      return partition === null
    }
    if (partition === null || epoch >= (config.changed[partition] ?? 0) || !this.#core.rules.fencesEpochs) return true
    this.#once(from, { type: "config-tell", config })
    return false
  }

  /** Asks the next of the others whether there is a later configuration: one who was away, or who holds nothing, hears of it so. */
  round(): void {
    const others = this.#core.config.members.map(({ id }) => id as ActorId).filter((id) => id !== this.#core.id)
    const peer = others[this.#rounds++ % Math.max(1, others.length)]
    if (peer !== undefined) this.#core.outbox.send(peer, { type: "config-ask" })
    this.greet()
  }

  /** While the store has members of an earlier version: says to the others what this one speaks. */
  greet(): void {
    const { versions, outbox, config, id } = this.#core
    const members = [...config.members, ...(config.target ?? [])].map((member) => member.id as ActorId)
    outbox.effect(...versions.hellos([...new Set(members)], id))
  }

  /** The first member says it, when it has heard of all that they speak its version: from then on what is kept may have its fields. */
  #mayRaise(): boolean {
    const { versions, config, id, rules } = this.#core
    if (!versions.isMixed || config.members[0]?.id !== id) return false
    const all = [...config.members, ...(config.target ?? [])]
    return rules.raisesAlone || all.every((member) => member.id === id || versions.knows(member.id as ActorId, versions.own))
  }

  onAsk(from: ActorId): void {
    this.#core.outbox.send(from, { type: "config-tell", config: this.#core.config })
  }

  /** As text: what was applied to the register. Whoever may write there is trusted, but not to make no mistakes: what is no configuration is ignored. */
  onText(text: string): void {
    const config = parsed(text)
    // A life applies its whole log of the register again: what is no news is not looked at closer.
    if (epochOf(config) > this.#core.config.epoch && isStoreConfig(config)) this.adopt(config)
  }

  adopt(config: StoreConfig): void {
    const core = this.#core
    if (!core.adopt(config)) return
    core.durable.write("config", config as unknown as Json, null)
    for (const { id } of config.members) if (id !== core.id) core.outbox.send(id as ActorId, { type: "config-tell", config })
    this.#ready = new Set([...this.#ready].filter((partition) => nextIn(config, partition)?.includes(core.id) === true))
    this.#onAdopted()
  }

  /** The partition is copied: the next holders may take over. */
  ready(partition: number): void {
    this.#ready.add(partition)
  }

  get readyCount(): number {
    return this.#ready.size
  }

  isReady(partition: number): boolean {
    return this.#ready.has(partition)
  }

  tick(): void {
    const open = this.#proposal
    if (open === null) {
      if (!this.isIdle) this.#begin({ type: "get", ...PLACE })
      return
    }
    if (this.#core.now - open.sentAt < REPEAT_CYCLES) return
    open.attempt++
    this.#send(open)
  }

  onAnswers(answers: readonly KvAnswer[]): void {
    const open = this.#proposal
    const answer = answers.find(({ sequence }) => sequence === open?.request.sequence)
    if (open === null || answer === undefined) return
    if (!answer.ok) return // Asked again, elsewhere, at the next repeat.
    this.#proposal = null
    const [text] = answer.values
    if (text !== undefined) this.onText(text)
    const next = this.#next()
    if (open.request.operation.type !== "get" || next === null) return
    // On top of what the register holds: a change that came between makes the comparison fail, and this begins again.
    this.#begin({
      type: "cas",
      ...PLACE,
      expect: text ?? null,
      value: canonicalJson(next as unknown as Json),
    })
  }

  #next(): StoreConfig | null {
    const { config, versions } = this.#core
    if (this.#ready.size > 0) return withMoved(config, [...this.#ready])
    return this.#mayRaise() ? withVersion(config, versions.own) : null
  }

  #begin(operation: Operation): void {
    this.#sequence = Math.max(this.#sequence + 1, this.#core.wall())
    const request: KvRequest = { sequence: this.#sequence, attempt: 0, operation }
    this.#proposal = { request, partitions: [...this.#ready], attempt: 0, sentAt: 0 }
    this.#send(this.#proposal)
  }

  /** As any requester would: to one of the holders, another each time. */
  #send(proposal: Proposal): void {
    const core = this.#core
    const holders = core.holders(PLACE)
    const to = holders[(proposal.attempt + partitionOf(core.id, "")) % holders.length]
    proposal.sentAt = core.now
    const requests = [{ ...proposal.request, attempt: proposal.attempt }]
    if (to !== undefined) core.outbox.effect(send(to, { kind: "KvAsk", requests }))
  }

  #once(to: ActorId, item: Extract<PeerItem, { type: "config-ask" | "config-tell" }>): void {
    const name = `${item.type} ${to}`
    const last = this.#toldAt.get(name)
    if (last !== undefined && this.#core.now - last < AGAIN_CYCLES) return
    this.#toldAt.set(name, this.#core.now)
    this.#core.outbox.send(to, item)
  }
}

/** The partition that an item counts in, where that needs both sides to agree on who holds it. */
function fencedPartition(item: PeerItem): number | null {
  switch (item.type) {
    case "replicate":
      return item.holdFor === undefined && item.reason === "write" ? partitionOf(item.bucket, item.key) : null
    case "fetch":
      return partitionOf(item.bucket, item.key)
    case "move-ask":
    case "consensus":
      return item.partition
    default:
      return null
  }
}

/** Below every epoch where it has none. */
function epochOf(config: unknown): number {
  const { epoch } = (config ?? {}) as { readonly epoch?: unknown }
  return typeof epoch === "number" ? epoch : -1
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
