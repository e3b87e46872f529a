/**
 * A storm of swaps: policy after policy takes over a loaded machine, and now and then a scheduler is killed in the middle of it.
 *
 * What must hold is checked while it runs by the soak's checkers (no task on two CPUs, none where it may not run, none lost, work and run
 * time fit each other); here are the storm itself and how long CPUs wait beside work because of it.
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

export interface StormOptions {
  readonly seed: number
  readonly swaps: number
  /** Slices between two swaps. */
  readonly everySlices: number
  /** One swap in so many loses a scheduler in one of its first steps; 0: none. */
  readonly killEvery: number
}

export interface StormReport {
  readonly seed: number
  readonly swaps: number
  readonly kills: number
  readonly jobs: number
  readonly lost: number
  readonly restarts: number
  readonly ejections: number
  /** Ticks that a CPU waited beside a task that waited as long, over the dispatches in the slice after a swap, in slices. */
  readonly gapP99Slices: number
  readonly gapMostSlices: number
}

const SLICE_TICKS = 5
/** A swap is over after about eight messages. */
const SWAP_MESSAGES = 10
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
    run: Math.max(20, Math.floor((swaps * everyTicks * CPUS) / 14)),
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
  let kills = 0
  for (const [index, action] of spec.actions.entries()) {
    const start = clock.start(action.atTick)
    world.run({ until: start, stop: () => outcomeOf(world) !== null })
    if (outcomeOf(world) !== null) break
    lastSwap = start
    if (options.killEvery === 0 || index % options.killEvery !== 0) continue
    const victim = random.pick(schedulers)
    const step = spec.clock.latencyCycles * random.between(0, SWAP_MESSAGES)
    world.run({ until: virtualTime(start + step) })
    world.crash(victim)
    world.run({ until: virtualTime(start + step + spec.clock.latencyCycles * random.between(1, 40)) })
    world.restart(victim)
    kills++
  }
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  if (outcome === null || "failure" in outcome) throw new Error(`seed ${options.seed}: ${outcome?.failure.message ?? "no end"}`)
  const { lost, restarts, jobs } = outcome.result
  const sorted = gaps.sort((a, b) => a - b)
  return {
    seed: options.seed,
    swaps: options.swaps,
    kills,
    jobs: Object.keys(jobs).length,
    lost: lost.length,
    restarts,
    ejections,
    gapP99Slices: (sorted[Math.floor(0.99 * (sorted.length - 1))] ?? 0) / SLICE_TICKS,
    gapMostSlices: (sorted.at(-1) ?? 0) / SLICE_TICKS,
  }
}
