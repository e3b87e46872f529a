/**
 * An operator that changes the members of a store while everything else goes wrong: lets a spare shard come, lets a member go, again and again.
 *
 * It asks for the configuration and writes the next one over it, as the gateway does; what it is told no to, or hears nothing of, it tries again later.
 * Before the run is over it has stopped, so that moves can end.
 */
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send, timer } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { CONFIG_KEY, SYSTEM_BUCKET, type StoreConfig, type StoreMember } from "@backplane/kv-contract/store-config"
import { withMembers } from "@backplane/kv-replication/placement"

export interface MemberChangerOptions {
  readonly first: StoreConfig
  /** All that may be members. */
  readonly replicas: readonly StoreMember[]
  readonly random: Random
  readonly until: number
  readonly everyMax: number
}

const PLACE = { bucket: SYSTEM_BUCKET, key: CONFIG_KEY } as const
const TRY_CYCLES = 700_000
const MEMBERS_MIN = 3

export class MemberChanger implements Machine<KvMessage, KvMessage> {
  readonly #options: MemberChangerOptions
  #sequence = 0
  #operation: Operation | null = null
  #attempt = 0
  /** Changes that were taken. */
  changes = 0

  constructor(options: MemberChangerOptions) {
    this.#options = options
  }

  start(now: VirtualTime): readonly Effect<KvMessage>[] {
    return [this.#nextAt(now)]
  }

  step(now: VirtualTime, input: Input<KvMessage>): readonly Effect<KvMessage>[] {
    if (input.kind === "timer") return input.key === "begin" ? this.#ask(now, { type: "get", ...PLACE }) : this.#repeat(now)
    if (input.kind !== "message" || input.body.kind !== "KvTell") return []
    const answer = input.body.answers.find(({ sequence }) => sequence === this.#sequence)
    return answer === undefined ? [] : this.#onAnswer(now, answer)
  }

  #onAnswer(now: VirtualTime, answer: KvAnswer): readonly Effect<KvMessage>[] {
    if (!answer.ok) return [] // The repeat asks another.
    if (this.#operation?.type !== "get") {
      if (answer.swapped === true) this.changes++
      this.#operation = null
      return now < this.#options.until ? [this.#nextAt(now)] : []
    }
    const [text] = answer.values
    const config = text === undefined ? this.#options.first : (JSON.parse(text) as StoreConfig)
    const next = withMembers(config, this.#drawn(config))
    this.#operation = null
    if ("refused" in next) return now < this.#options.until ? [this.#nextAt(now)] : []
    return this.#ask(now, { type: "cas", ...PLACE, expect: text ?? null, value: canonicalJson(next as unknown as Json) })
  }

  /** One more, or one less. */
  #drawn({ members }: StoreConfig): readonly StoreMember[] {
    const { random, replicas } = this.#options
    const spare = replicas.filter(({ id }) => !members.some((member) => member.id === id))
    const mayGo = members.length > MEMBERS_MIN
    if (spare.length > 0 && (!mayGo || random.chance(0.5))) return [...members, random.pick(spare)]
    const gone = random.pick(members)
    return mayGo ? members.filter(({ id }) => id !== gone.id) : members
  }

  #ask(now: VirtualTime, operation: Operation): readonly Effect<KvMessage>[] {
    this.#sequence++
    this.#operation = operation
    this.#attempt = 0
    return this.#send(now)
  }

  #repeat(now: VirtualTime): readonly Effect<KvMessage>[] {
    if (this.#operation === null) return []
    if (now >= this.#options.until) return []
    this.#attempt++
    return this.#send(now)
  }

  #send(now: VirtualTime): readonly Effect<KvMessage>[] {
    if (this.#operation === null) return []
    const { replicas, random } = this.#options
    const to = random.pick(replicas).id as ActorId
    const requests = [{ sequence: this.#sequence, attempt: this.#attempt, operation: this.#operation }]
    return [send<KvMessage>(to, { kind: "KvAsk", requests }), timer("repeat", after(now, TRY_CYCLES))]
  }

  #nextAt(now: VirtualTime): Effect<KvMessage> {
    return timer("begin", after(now, this.#options.random.between(500_000, this.#options.everyMax)))
  }
}
