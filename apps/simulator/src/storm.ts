/**
 * A storm of swaps: policy after policy takes over a loaded machine, and now and then a scheduler is killed in the middle of it.
 *
 * What must hold is checked twice: while it runs by the soak's checkers, and at the end from what the CPUs ran (storm-ledger.ts). Here are
 * the storm itself and how long CPUs wait beside work because of it. A message takes a quarter of a tick, so that a swap is seen in ticks.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { Random } from "@backplane/foundation-base/random"
import { POLICY_NAMES, type ActionSpec, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { hostedActors } from "@backplane/scenario-machine/topology"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { addMachineCheckers } from "./soak/machine-checkers.ts"
import { stormLedger, type StormLedger } from "./storm-ledger.ts"

export interface StormOptions {
  readonly seed: number
  readonly swaps: number
  /** Slices between two swaps. */
  readonly everySlices: number
  /** One swap in so many loses a scheduler, each time another one or in another of its steps; 0: none. */
  readonly killEvery: number
}

export interface StormReport extends StormLedger {
  readonly seed: number
  readonly swaps: number
  readonly kills: number
  /** Of all pairs of a scheduler and a step of a swap: those in which it was killed. */
  readonly placesKilled: number
  readonly places: number
  readonly jobs: number
  readonly lost: number
  readonly restarts: number
  readonly ejections: number
  /** Ticks that a CPU waited beside a task that waited as long, over the dispatches in the slice after a swap, in slices. */
  readonly gapP99Slices: number
  readonly gapMostSlices: number
}

export const SLICE_TICKS = 5
export const LATENCY_CYCLES = 2_500
const TICK_CYCLES = 4 * LATENCY_CYCLES
/** A swap is over after about eight messages. Steps are half a message apart: on its way, and come. */
export const SWAP_STEPS = 20
export const STEP_CYCLES = LATENCY_CYCLES / 2
/** A killed scheduler is back after so many messages' time at most: two slices. */
const DOWN_MESSAGES_MOST = 40
const NODES = 2
const CPUS = 4

function stormSpec({ seed, swaps, everySlices }: StormOptions): MachineSpec {
  const random = new Random(seed).fork("storm")
  const order = random.shuffled([...POLICY_NAMES])
  const everyTicks = everySlices * SLICE_TICKS
  const actions = Array.from({ length: swaps }, (_, index): ActionSpec => ({
    atTick: (index + 1) * everyTicks,
    swap: order[index % order.length] ?? "rr",
  }))
  const jobs = Array.from({ length: 12 }, (_, index) => ({
    name: `t${index}`,
    run: Math.max(20, Math.floor((swaps * everyTicks * CPUS) / 11)),
    workingSet: random.below(40),
    affinity: index % 4 === 3 ? [random.below(CPUS)] : [],
    weight: random.pick([50, 100, 100, 300]),
    ...(index % 3 === 1 && { phases: [{ run: random.between(3, 30), sleep: random.between(2, 30) }] }),
  }))
  return resolveMachineSpec({
    name: "storm",
    seed,
    topology: { nodes: NODES, cpus: CPUS },
    cache: { warmRate: 1 },
    schedule: { policy: "sqms", sliceTicks: SLICE_TICKS },
    clock: { mode: "free", tickCycles: TICK_CYCLES, latencyCycles: LATENCY_CYCLES },
    jobs,
    actions,
    maxTicks: 20_000_000,
  })
}

/** Runs one storm to its end; throws where a law is broken. */
export function storm(options: StormOptions): StormReport {
  const spec = stormSpec(options)
  const random = new Random(options.seed).fork("kills")
  const clock = new TickClock(spec.clock)
  const world = machineWorld(spec, { fingerprint: "off" })
  addMachineCheckers(world, spec)
  const gaps: number[] = []
  let lastSwap = -Infinity
  let ejections = 0
  world.onEvent((at, _actor, { name, fields = {} }) => {
    if (name === "scheduler-ejected") ejections++
    if (name !== "dispatch" || at > lastSwap + 2 * SLICE_TICKS * spec.clock.tickCycles) return
    gaps.push(Math.min(Number(fields["backplane.wait"] ?? 0), Number(fields["backplane.queued"] ?? 0)))
  })
  const schedulers = hostedActors(spec).filter((id) => actorKind(id) === "scheduler")
  const places = schedulers.flatMap((victim) => Array.from({ length: SWAP_STEPS }, (_, step) => ({ victim, step })))
  const order = random.shuffled(places)
  let [swaps, kills] = [0, 0]
  for (const [index, action] of spec.actions.entries()) {
    const start = clock.start(action.atTick)
    world.run({ until: start, stop: () => outcomeOf(world) !== null })
    if (outcomeOf(world) !== null) break
    lastSwap = start
    swaps++
    const place = options.killEvery > 0 && index % options.killEvery === 0 ? order[kills % order.length] : undefined
    if (place === undefined) continue
    const at = start + place.step * STEP_CYCLES
    world.run({ until: virtualTime(at) })
    world.crash(place.victim)
    world.run({ until: virtualTime(at + LATENCY_CYCLES * random.between(1, DOWN_MESSAGES_MOST)) })
    world.restart(place.victim)
    kills++
  }
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  if (outcome === null || "failure" in outcome) throw new Error(`seed ${options.seed}: ${outcome?.failure.message ?? "no end"}`)
  const { lost, restarts, jobs, schedule } = outcome.result
  const sorted = gaps.sort((a, b) => a - b)
  return {
    seed: options.seed,
    swaps,
    kills,
    placesKilled: Math.min(kills, places.length),
    places: places.length,
    ...stormLedger(spec, schedule),
    jobs: Object.keys(jobs).length,
    lost: lost.length,
    restarts,
    ejections,
    gapP99Slices: (sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0) / SLICE_TICKS,
    gapMostSlices: (sorted.at(-1) ?? 0) / SLICE_TICKS,
  }
}
