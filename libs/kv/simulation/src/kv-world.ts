/**
 * A simulated store under faults: replicas on breakable disks, clients, checkers; one seed says everything.
 *
 * Two phases, as in TigerBeetle's simulator: while the faults last nothing wrong may happen (safety); then everything heals and everything
 * must end: clients answered, hints gone, replicas equal (liveness); then the history is judged against what is left.
 */
import { defined } from "@backplane/foundation-base/assert"
import { canonicalJson, type Json } from "@backplane/foundation-base/json"
import { Random } from "@backplane/foundation-base/random"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { after, virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { World } from "@backplane/foundation-simulation/world"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import type { KeyState } from "@backplane/kv-contract/versions"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import { partitionMap, type Member, type PartitionMap } from "@backplane/kv-replication/partition-map"
import { firstConfig, holdersIn, isMoving } from "@backplane/kv-replication/placement"
import { stateJson } from "@backplane/kv-replica/core"
import type { KeyRecord } from "@backplane/kv-replica/key-table"
import { ReplicaMachine } from "@backplane/kv-replica/replica"
import { SOUND_RULES, type ReplicaRules } from "@backplane/kv-replica/rules"
import { isHollow } from "@backplane/kv-versioning/key-state"
import { KvClient } from "./client.ts"
import { MemberChanger } from "./member-changer.ts"
import { DiskedReplica, SimulatedDisk, type DiskBugs } from "./disked-replica.ts"
import type { HistoryEntry } from "@backplane/kv-history/history"
import { clockError, drawClasses, drawKvFaults, type FaultClass, type KvFaults } from "./kv-faults.ts"
import { armDiskFaults } from "./disk-faults.ts"
import { armLinkFaults } from "./link-faults.ts"
import { armVersions, finishUpgrade, presentPromises, type OldEdge } from "./mixed-versions.ts"
import { armSiteFaults } from "./site-faults.ts"
import { watchAcknowledgements } from "./acknowledgement-checker.ts"
import { watchLastWriter } from "./last-writer-checker.ts"
import { watchConsensus } from "./consensus-checker.ts"
import { judge } from "./verdict.ts"
import { BUCKETS, drawCrowd } from "./workload.ts"

export interface KvWorldOptions {
  /** Cycles (microseconds) that faults and requests last. */
  readonly cycles?: number
  readonly classes?: ReadonlySet<FaultClass>
  readonly buckets?: readonly string[]
  readonly tokens?: "with" | "without"
  readonly rules?: ReplicaRules
  readonly diskBugs?: DiskBugs
  /** What replicas of the previous version make of fields that they do not know. Default: they refuse the message. */
  readonly oldEdge?: OldEdge
  readonly hintsPerReplicaMax?: number
  readonly pauseMax?: number
  /** How many times faster than usual faults come and registers elect. */
  readonly pace?: number
  readonly fingerprint?: "on" | "off"
  /** A body on the wire and back: the contract, to try it too. */
  readonly carry?: (body: { readonly kind: string }) => { readonly kind: string }
}

/** What a run consists of; checkers look at it. */
export interface KvRun {
  readonly world: World
  readonly map: PartitionMap
  readonly replicas: readonly ActorId[]
  readonly clients: readonly ActorId[]
  readonly disks: ReadonlyMap<ActorId, SimulatedDisk>
  readonly history: HistoryEntry[]
  readonly faults: KvFaults
  readonly tokens: "with" | "without"
  /** Faults of disks and power that were played. */
  readonly blows: { count: number }
  /** The message version of each replica's program; of who is not there the present one. */
  readonly versions: Map<ActorId, number>
  /** What a replica knows; undefined while it is down. */
  viewOf(id: ActorId): ReplicaMachine["view"] | undefined
}

export const CYCLES_DEFAULT = 60_000_000
const CLOCK_BASE = 1_000_000_000_000
const OPERATOR = actorId("operator.0")
const ZONES = 3

export function zoneOf(index: number): string {
  return `zone-${index % ZONES}`
}

const SETTLE_SECONDS = 180

/** Runs one seed to its end; throws where something is wrong. */
export function runKvWorld(seed: number, options: KvWorldOptions = {}): KvRun {
  const run = makeKvWorld(seed, options)
  const cycles = options.cycles ?? CYCLES_DEFAULT
  run.world.run({ until: virtualTime(cycles) })
  run.world.heal()
  const isDone = (): boolean => run.clients.every((id) => run.world.inspect(id, KvClient)?.isDone === true)
  run.world.demandProgress({ what: "every request answered or given up", within: 20_000_000, done: isDone })
  settle(run)
  const wrong = judge(run)
  if (wrong !== null) throw new Error(`seed ${seed}: ${wrong} (faults: ${[...run.faults.classes].join(" ")})`)
  return run
}

export function makeKvWorld(seed: number, options: KvWorldOptions = {}): KvRun {
  const random = new Random(seed).fork("kv")
  const count = random.pick([3, 3, 4, 5])
  const classes = options.classes ?? drawClasses(random.fork("classes"))
  const replicas = Array.from({ length: count + (classes.has("move") ? 1 : 0) }, (_, index) => actorId(`kv-shard.${index}`))
  const clients = Array.from({ length: 4 }, (_, index) => actorId(`client.${index}`))
  const cycles = options.cycles ?? CYCLES_DEFAULT
  const faults = drawKvFaults(random.fork("faults"), {
    classes,
    until: cycles,
    replicas,
    spared: [...clients, OPERATOR],
    pace: options.pace ?? 1,
  })
  const everybody = replicas.map((id, index) => ({ id, zone: zoneOf(index) }))
  // Where members change, the last one begins as a spare.
  const map = partitionMap(everybody.slice(0, count))
  const world = new World({
    seed,
    latency: 1000,
    persistLatency: faults.syncCycles,
    faults: faults.plan,
    stepsMax: 3_000_000,
    fingerprint: options.fingerprint ?? "on",
    ...(options.carry === undefined ? {} : { carry: options.carry }),
    replayCommand: "node libs/kv/simulation/src/main.ts --from {seed} --count 1",
  })
  const disks = new Map(replicas.map((id) => [id, new SimulatedDisk()]))
  const history: HistoryEntry[] = []
  const run: KvRun = {
    world,
    map,
    replicas,
    clients,
    disks,
    history,
    faults,
    tokens: options.tokens ?? "with",
    blows: { count: 0 },
    versions: new Map(),
    viewOf: (id) => (world.stateOf(id) === "crashed" ? undefined : world.inspect(id, DiskedReplica)?.inner.view),
  }
  for (const id of replicas) addReplica(run, id, options, random)
  const amnesia = classes.has("lie") || classes.has("backup")
  addClients(run, options, random)
  if (classes.has("move")) addOperator(run, everybody, options, random)
  const times = { until: cycles, pace: options.pace ?? 1 }
  armDiskFaults(run, random.fork("disks"), times)
  armLinkFaults(run, random.fork("links"), times)
  armSiteFaults(run, random.fork("sites"), times)
  armVersions(run, random.fork("versions"), times)
  if (!amnesia) watchAcknowledgements(run)
  watchConsensus(run)
  watchLastWriter(run)
  return run
}

function addReplica({ world, disks, faults, map, versions }: KvRun, id: ActorId, options: KvWorldOptions, random: Random): void {
  const place = defined(disks.get(id), "each replica has a disk")
  const clock = faults.clocks.get(id) ?? []
  const pace = options.pace ?? 1
  const wall = (now: VirtualTime): number => CLOCK_BASE + now + clockError(clock, now)
  world.add(id, (incarnation) => {
    const version = versions.get(id) ?? WIRE_VERSION
    const replica = new ReplicaMachine({
      id,
      map,
      buckets: BUCKETS,
      wall,
      rules: options.rules ?? SOUND_RULES,
      version,
      storeVersion: firstVersion(faults),
      timings: {
        certifyRound: 3_000_000 / pace,
        heartbeat: 400_000 / pace,
        election: 1_200_000 / pace,
      },
      ...(options.hintsPerReplicaMax === undefined ? {} : { hintsPerReplicaMax: options.hintsPerReplicaMax }),
    })
    const program = { version, edge: options.oldEdge ?? "refuses" }
    return new DiskedReplica(replica, place, random.fork(`disk/${id}/${incarnation}`), { bugs: options.diskBugs, program })
  })
}

function addClients(run: KvRun, options: KvWorldOptions, random: Random): void {
  const { world, clients, replicas, history, tokens, faults } = run
  const { classes } = faults
  const amnesia = classes.has("lie") || classes.has("backup")
  const names = (options.buckets ?? BUCKETS.map(({ name }) => name)).filter((name) => !(amnesia && name === "register"))
  const crowd = drawCrowd(random.fork("crowd"), names)
  const shared = {
    replicas,
    buckets: options.buckets === undefined ? crowd.buckets : names,
    tokens,
    history,
    pauseMax: options.pauseMax ?? crowd.pauseMax,
    until: options.cycles ?? CYCLES_DEFAULT,
    duplicates: classes.has("duplication"),
    presentPromises: presentPromises(run),
    tellsWhenSent: !classes.has("mixed"),
  }
  for (const id of clients) world.add(id, () => new KvClient({ ...shared, id, random: random.fork(id) }))
}

function addOperator({ world, map, faults }: KvRun, everybody: readonly Member[], options: KvWorldOptions, random: Random): void {
  const first = firstConfig(map, BUCKETS, firstVersion(faults))
  const everyMax = Math.ceil(12_000_000 / (options.pace ?? 1))
  const until = (options.cycles ?? CYCLES_DEFAULT) - 5_000_000
  const moves = { first, replicas: everybody, random: random.fork("moves"), until, everyMax }
  world.add(OPERATOR, () => new MemberChanger(moves))
}

/** Where versions are mixed nobody knows at first that all speak one. */
function firstVersion({ classes }: KvFaults): number {
  return classes.has("mixed") ? WIRE_VERSION_FIRST : WIRE_VERSION
}

/** Lets repairs run until everybody is equal; fails where that does not come. */
function settle(run: KvRun): void {
  const { world } = run
  let apart: string | null = null
  for (let second = 0; second < SETTLE_SECONDS; second++) {
    finishUpgrade(run)
    world.run({ until: after(world.now, 1_000_000) })
    apart = whatIsApart(run)
    if (apart === null) return
  }
  world.demandProgress({ what: `replicas equal after healing: ${apart}`, within: 1, done: () => false })
}

/** Null where all holders of each partition are equal, sure, and no hint is left. */
function whatIsApart(run: KvRun): string | null {
  const { replicas, world } = run
  const down = replicas.find((id) => world.stateOf(id) === "crashed")
  if (down !== undefined) return `${down} is down`
  const views = new Map(replicas.map((id) => [id, defined(run.viewOf(id), `${id} is up`)]))
  for (const [id, view] of views) {
    if (view.shelf.count > 0) return `${id} holds ${view.shelf.count} hints`
    if (view.unsure.size > 0) return `${id} is unsure of ${view.unsure.size} partitions`
  }
  const config = latestConfig(run)
  if (isMoving(config)) return `${Object.keys(config.next).length} partitions are still moved`
  for (const [id, view] of views)
    if (view.config.epoch !== config.epoch) return `${id} goes by configuration ${view.config.epoch}, not ${config.epoch}`
  const texts = new Set([...views.values()].map((view) => canonicalJson(view.config as unknown as Json)))
  if (texts.size > 1) return `configuration ${config.epoch} is not the same everywhere`
  const [partition] = partitionsApart(run)
  return partition === undefined ? null : `the holders of partition ${partition} differ`
}

/** Partitions whose holders do not all know the same; a holder that is down knows nothing. */
export function partitionsApart(run: KvRun): readonly number[] {
  const { world } = run
  const config = latestConfig(run)
  const known = (id: ActorId, partition: number): string =>
    world.stateOf(id) === "crashed" ? "" : digest(world.inspect(id, DiskedReplica)?.inner.view.table.records(partition) ?? [])
  return [...config.holders.keys()].filter((partition) => new Set(holdersIn(config, partition).map((id) => known(id, partition))).size > 1)
}

/** What went wrong: messages lost, doubled or late, syncs that were slow, blows to disks and power. */
export function faultsPlayed({ world, faults, blows }: KvRun): number {
  const { sent, lost, doubled, lostAtDown } = world.counts
  const late = ["delay", "reordering", "slow"].some((name) => faults.classes.has(name as FaultClass)) ? sent : 0
  return lost + doubled + lostAtDown + late + blows.count
}

/** The configuration of the highest epoch that any replica knows. */
export function latestConfig({ replicas, world, map, faults }: KvRun): StoreConfig {
  const known = replicas.flatMap((id) =>
    world.stateOf(id) === "crashed" ? [] : (world.inspect(id, DiskedReplica)?.inner.view.config ?? []),
  )
  return known.reduce((latest, config) => (config.epoch > latest.epoch ? config : latest), firstConfig(map, BUCKETS, firstVersion(faults)))
}

/** What replicas must agree in: not which requests of a key they remember. */
function shownOf({ done: _done, counted: _counted, ...state }: KeyState): KeyState {
  return state
}

/** Over the states themselves, not over the trees that are to be checked. */
function digest(records: readonly KeyRecord[]): string {
  const states = records
    .filter(({ state }) => !isHollow(state))
    .map(({ bucket, key, state }): Json => [bucket, key, stateJson(shownOf(state))])
  return states.length === 0 ? "" : canonicalJson(states)
}
