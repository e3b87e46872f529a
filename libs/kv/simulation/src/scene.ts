/**
 * A small store without chance, for scenarios: three members and a spare, all faults by hand. Each bug that a seed found becomes one, with a name.
 */
import { defined } from "@backplane/foundation-base/assert"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { after, virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { CycleRange } from "@backplane/foundation-simulation/fault-plan"
import type { SpanRecorder } from "@backplane/foundation-simulation/span-recorder"
import { World } from "@backplane/foundation-simulation/world"
import type { Bucket } from "@backplane/kv-contract/bucket"
import type { KvAnswer, KvSuccess, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { CONFIG_KEY, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import type { KeyState } from "@backplane/kv-contract/versions"
import { partitionOf } from "@backplane/kv-replication/hash"
import { partitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig, holdersIn, isMoving, keepersIn, withMembers } from "@backplane/kv-replication/placement"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import type { ReplicaTimings } from "@backplane/kv-replica/replica-options"
import { SOUND_RULES, type ReplicaRules } from "@backplane/kv-replica/rules"
import { NOTHING_KNOWN } from "@backplane/kv-versioning/key-state"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import { DiskedReplica, SimulatedDisk } from "./disked-replica.ts"
import type { OldEdge } from "./mixed-versions.ts"
import { BUCKETS } from "./workload.ts"

export const CLIENT = actorId("client.0")
const OPERATOR = actorId("operator.0")
export const MS = 1000
export const SECOND = 1_000_000
const WALL = 1_000_000_000_000
/** Longer than any scenario. */
const DELAYED_CYCLES = 1_000 * SECOND

export interface SceneOptions {
  /** Members, one in each of three zones in turn. One more replica is there as a spare. Default: 3. */
  readonly members?: number
  readonly rules?: Partial<ReplicaRules>
  readonly timings?: Partial<ReplicaTimings>
  /** Beside those of the workload. */
  readonly buckets?: readonly Bucket[]
  /** Message versions of the replicas' programs, in their order. Default: all speak the present one, and know it. */
  readonly versions?: readonly number[]
  readonly oldEdge?: OldEdge
  /** Cycles from a write to its sync. Default: 4 ms. */
  readonly syncCycles?: number
  /** How long a message takes, drawn by the seed for each. Default: 1 ms, each. */
  readonly delay?: CycleRange
  /** Where spans go; then each request is followed. */
  readonly spans?: SpanRecorder
  /** How far clocks on the wall are off, by the time. Default: not at all. */
  readonly clockError?: (now: number) => number
  /** Of what little chance there is: how much of what was not synced a crash leaves. */
  readonly seed?: number
}

/** The trace that a followed request is in, and its first span. */
export function traceName(sequence: number): string {
  const hex = sequence.toString(16)
  return `${hex.padStart(32, "0")}-${hex.padStart(16, "0")}`
}

export class Scene {
  readonly replicas: readonly ActorId[]
  readonly spare: ActorId
  readonly world: World
  readonly disks = new Map<ActorId, SimulatedDisk>()
  /** Whether answers are lost on their way. */
  isDeaf = false
  readonly #answers = new Map<number, KvAnswer>()
  readonly #zones: readonly string[]
  readonly #first: StoreConfig
  readonly #isFollowed: boolean
  readonly #isMixed: boolean
  #sequence = 0

  /** By replica: the version of the program that its next life runs. */
  readonly versions = new Map<ActorId, number>()

  constructor(options: SceneOptions = {}) {
    const { members = 3, rules = {}, timings = {}, buckets = [], syncCycles = 4 * MS, seed = 1, spans, versions, oldEdge, delay } = options
    const { clockError = () => 0 } = options
    const more = {
      ...(spans === undefined ? {} : { spans }),
      ...(delay === undefined ? {} : { faults: { until: virtualTime(DELAYED_CYCLES), delay } }),
    }
    this.world = new World({ seed, latency: MS, persistLatency: syncCycles, stepsMax: 1_000_000, fingerprint: "off", ...more })
    this.#isMixed = versions !== undefined
    this.#isFollowed = spans !== undefined
    this.replicas = Array.from({ length: members + 1 }, (_, index) => actorId(`kv-shard.${index}`))
    this.spare = defined(this.replicas[members], "the last one is the spare")
    this.#zones = this.replicas.map((_, index) => `zone-${index % 3}`)
    const map = partitionMap(this.#members(this.replicas.slice(0, members)))
    this.#first = firstConfig(map, [...BUCKETS, ...buckets], versions === undefined ? WIRE_VERSION : WIRE_VERSION_FIRST)
    for (const id of this.replicas) {
      const place = new SimulatedDisk()
      this.disks.set(id, place)
      this.versions.set(id, versions?.[this.replicas.indexOf(id)] ?? WIRE_VERSION)
      this.world.add(id, (incarnation) => {
        const version = this.versions.get(id) ?? WIRE_VERSION
        const machine = new ReplicaMachine({
          id,
          map,
          buckets: [...BUCKETS, ...buckets],
          wall: (now) => WALL + now + clockError(now),
          rules: { ...SOUND_RULES, ...rules },
          timings,
          version,
          storeVersion: versions === undefined ? WIRE_VERSION : WIRE_VERSION_FIRST,
        })
        const program = { version, edge: oldEdge ?? "refuses" }
        return new DiskedReplica(machine, place, new Random(`${seed}/${id}/${incarnation}`), { program })
      })
    }
    this.world.onMessage(({ to, body }) => {
      const message = body as KvMessage
      if (!this.isDeaf && (to === CLIENT || to === OPERATOR) && message.kind === "KvTell")
        for (const answer of message.answers)
          if (answer.ok || !this.#answers.has(answer.sequence)) this.#answers.set(answer.sequence, answer)
    })
    this.run(10 * MS)
  }

  run(cycles: number): void {
    this.world.run({ until: after(this.world.now, cycles) })
  }

  /** Asks, and gives the sequence: the same for a repeat. */
  ask(
    to: ActorId,
    operation: Operation,
    { sequence = ++this.#sequence, attempt = 0, from = CLIENT, age = null as number | null } = {},
  ): number {
    const more = { ...(this.#isFollowed ? { trace: traceName(sequence) } : {}), ...(age === null ? {} : { age }) }
    const body: KvMessage = { kind: "KvAsk", requests: [{ sequence, attempt, operation, ...more }], ...this.#sent() }
    this.world.inject({ from, to, body })
    return sequence
  }

  /** Gateways are upgraded last: programs of the first version refuse what tells when it was sent. */
  #sent(): { readonly sent?: number } {
    return this.#isMixed ? {} : { sent: this.world.now }
  }

  answer(sequence: number): KvAnswer | undefined {
    return this.#answers.get(sequence)
  }

  /** Asks each of `to` in turn until one says yes; throws where none does in ten seconds. */
  success(to: readonly ActorId[], operation: Operation, from = CLIENT): KvSuccess {
    const sequence = ++this.#sequence
    for (let attempt = 0; attempt < 40; attempt++) {
      this.ask(to[attempt % to.length] as ActorId, operation, { sequence, attempt, from })
      this.run(250 * MS)
      const answer = this.answer(sequence)
      if (answer?.ok === true) return answer
    }
    throw new Error(`no answer to ${JSON.stringify(operation)} in ten seconds`)
  }

  crash(id: ActorId): void {
    this.world.crash(id, { loseUnsynced: true })
  }

  /** Down, and what lay on its disk does not decode any more. */
  damage(id: ActorId): void {
    this.crash(id)
    for (const bytes of this.disks.get(id)?.disk.segments().values() ?? []) bytes.fill(0, 20)
  }

  /** Who leads the group of the key's partition, as far as it knows itself. */
  leader(bucket: string, key: string): ActorId | undefined {
    const partition = partitionOf(bucket, key)
    return this.replicas.find((id) => this.view(id)?.linear.group(partition)?.role === "leader")
  }

  /** The members become these; moves begin. */
  change(members: readonly ActorId[]): void {
    const place = { bucket: SYSTEM_BUCKET, key: CONFIG_KEY }
    const [text] = this.success(this.replicas.slice(0, 3), { type: "get", ...place }, OPERATOR).values
    const next = this.#after(members, text === undefined ? this.#first : (JSON.parse(text) as StoreConfig))
    const value = canonicalJson(next as unknown as Json)
    this.success(this.replicas.slice(0, 3), { type: "cas", ...place, expect: text ?? null, value }, OPERATOR)
  }

  /** Runs until no partition is moved any more; throws after `seconds`. */
  moved(seconds = 30): void {
    for (let second = 0; second < seconds; second++) {
      this.run(SECOND)
      if (!isMoving(this.config) && this.config.epoch > 1) return
    }
    throw new Error(`partitions ${Object.keys(this.config.next).join(" ")} are still moved after ${seconds} s`)
  }

  get config(): StoreConfig {
    const known = this.replicas.flatMap((id) => this.view(id)?.config ?? [])
    return known.reduce((latest, config) => (config.epoch > latest.epoch ? config : latest), this.#first)
  }

  view(id: ActorId): ReplicaMachine["view"] | undefined {
    return this.world.stateOf(id) === "crashed" ? undefined : this.world.inspect(id, DiskedReplica)?.inner.view
  }

  holders(bucket: string, key: string): readonly ActorId[] {
    return holdersIn(this.config, partitionOf(bucket, key))
  }

  /** What each keeper of the key knows of it. */
  states(bucket: string, key: string): readonly KeyState[] {
    return keepersIn(this.config, partitionOf(bucket, key)).map(
      (id) => this.view(id)?.table.record({ bucket, key })?.state ?? NOTHING_KNOWN,
    )
  }

  /** A key of the bucket for which `is` holds of its partition's next holders when `members` come. */
  keyThatMoves(bucket: string, members: readonly ActorId[], is: (next: readonly string[], holders: readonly string[]) => boolean): string {
    const next = this.#after(members)
    for (let index = 0; index < 1000; index++) {
      const partition = partitionOf(bucket, `k${index}`)
      const after = next.next[String(partition)]
      if (after !== undefined && is(after, next.holders[partition] ?? [])) return `k${index}`
    }
    throw new Error("no key moves so")
  }

  /** Who holds the key when `members` have come. */
  nextHolders(bucket: string, key: string, members: readonly ActorId[]): readonly ActorId[] {
    const after = this.#after(members)
    const partition = partitionOf(bucket, key)
    return (after.next[String(partition)] ?? after.holders[partition] ?? []).map(actorId)
  }

  /** A key of the bucket in the partition that is copied first when `members` come. */
  keyCopiedFirst(bucket: string, members: readonly ActorId[]): string {
    const after = this.#after(members)
    const first = Object.keys(after.next).find((each) =>
      after.next[each]?.some((id) => after.holders[Number(each)]?.includes(id) === false),
    )
    for (let index = 0; index < 1000; index++) if (partitionOf(bucket, `k${index}`) === Number(first)) return `k${index}`
    throw new Error("no key moves so")
  }

  /** The configuration behind `before` in which the members are to be these. */
  #after(members: readonly ActorId[], before = this.config): StoreConfig {
    const after = withMembers(before, this.#members(members))
    if ("refused" in after) throw new Error(after.refused)
    return after
  }

  #members(ids: readonly ActorId[]): { id: ActorId; zone: string }[] {
    return ids.map((id) => ({ id, zone: this.#zones[this.replicas.indexOf(id)] ?? "" }))
  }
}
