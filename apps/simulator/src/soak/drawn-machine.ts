/**
 * A machine and what goes wrong in it, drawn from a seed: every policy, layout, load and kind of fault comes up, alone and together.
 *
 * Each kind of fault is there or not by a fair coin (swarm testing: faults that are always on hide the bugs that need their absence).
 * Durations are scaled to the machine: a message takes 100 cycles where nothing is wrong, a tick has a million, so a delay that
 * matters to a schedule is one of a good part of a tick, and a node is given up after 200 ticks of silence.
 */
import type { Random } from "@backplane/foundation-base/random"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { CycleRange, FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import {
  POLICY_NAMES,
  type ActionSpec,
  type ArrivalSpec,
  type MachineSpec,
  type PolicyName,
} from "@backplane/scenario-machine/machine-spec"
import type { PhaseSpec } from "@backplane/scenario-machine/phase-spec"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"

export const TICK_CYCLES = 1_000_000
/** Jobs arrive for so long after the last fault: a machine that has healed must do new work as if nothing had been. */
const CALM_TICKS = 150

export interface SoakCase {
  readonly spec: MachineSpec
  readonly faults: FaultPlan | null
  /** Tick after which nothing goes wrong any more. */
  readonly calmTick: number
}

/**
 * A scheduler has one slice to answer, and after a change of policy that takes six messages: told, attach, snapshot, decision, and twice
 * the rest of a tick. With messages of up to a tick, shorter slices would be bypassed by right.
 */
const SLOW_SLICE_TICKS_LEAST = 8

/** Faults of every kind. */
export function drawFaulty(random: Random, seed: number): SoakCase {
  const calmTick = random.between(40, 300)
  // What a node had told nobody of when it went down is lost with it: whoever waits for that would wait for ever.
  const spec = drawSpec(random.fork("machine"), { seed, lastArrival: calmTick + CALM_TICKS, channels: false })
  const until = new TickClock(spec.clock).start(calmTick)
  return { spec, faults: drawFaults(random.fork("faults"), until), calmTick }
}

/** Nothing fails, but messages take a good part of a tick: as in a live machine in free mode on a busy host. */
export function drawSlow(random: Random, seed: number): SoakCase {
  const calmTick = random.between(200, 400)
  const spec = drawSpec(random.fork("machine"), { seed, lastArrival: calmTick, sliceLeast: SLOW_SLICE_TICKS_LEAST })
  const slowest = random.between(TICK_CYCLES / 10, TICK_CYCLES)
  return { spec, faults: { until: virtualTime(Number.MAX_SAFE_INTEGER), delay: { min: TICK_CYCLES / 10, max: slowest } }, calmTick: 0 }
}

/** The network loses, doubles, delays and reorders, but nobody goes down and nobody is cut off. */
export function drawLossy(random: Random, seed: number): SoakCase {
  const calmTick = random.between(40, 300)
  const spec = drawSpec(random.fork("machine"), { seed, lastArrival: calmTick + CALM_TICKS })
  const { until, loss, duplication, delay, reordering } = drawFaults(random.fork("faults"), new TickClock(spec.clock).start(calmTick))
  const slow = delay ?? { min: 100, max: 3 * TICK_CYCLES }
  return {
    spec,
    faults: { until, loss: loss ?? 0.1, duplication: duplication ?? 0.2, delay: slow, reordering: reordering ?? 0.2 },
    calmTick,
  }
}

/** Nothing is wrong at all. */
export function drawExact(random: Random, seed: number): SoakCase {
  return { spec: drawSpec(random.fork("machine"), { seed, lastArrival: 200 }), faults: null, calmTick: 0 }
}

function drawSpec(
  random: Random,
  options: { readonly seed: number; readonly lastArrival: number; readonly sliceLeast?: number; readonly channels?: boolean },
): MachineSpec {
  const cpus = random.between(1, 6)
  const lateShare = random.unit()
  const jobs = Array.from({ length: random.between(1, 24) }, (_, index) => ({
    name: `task-${index}`,
    run: random.chance(0.1) ? 0 : random.between(1, 100),
    workingSet: random.between(0, 60),
    affinity: random.chance(0.25) ? drawAffinity(random, cpus) : [],
    restartable: true,
    arrival: random.chance(lateShare) ? random.between(1, options.lastArrival) : 0,
  }))
  const phased = drawPhases(random.fork("phases"), jobs, options.channels ?? true)
  const input: MachineInput = {
    name: "soak",
    seed: options.seed,
    topology: { cpus, nodes: random.between(1, Math.min(cpus, 4)) },
    cache: { warmupTicks: random.between(0, 12), warmRate: random.between(1, 3) },
    schedule: {
      policy: drawPolicy(random),
      sliceTicks: random.between(options.sliceLeast ?? 2, 15),
      peekTicks: random.between(0, 15),
      randomOrder: random.chance(0.2),
      ...(random.fork("prefetch").chance(0.25) ? { prefetch: true as const } : {}),
    },
    clock: { tickCycles: TICK_CYCLES },
    jobs: phased,
    ...(random.chance(0.3) ? { arrivals: drawArrivals(random) } : {}),
    actions: [
      ...drawSwaps(random, options.lastArrival),
      ...drawChanges(random.fork("changes"), { cpus, jobs, lastTick: options.lastArrival }),
    ],
  }
  return resolveMachineSpec(input)
}

type DrawnJob = NonNullable<MachineInput["jobs"]>[number] & { readonly run: number }

/** In half of the machines jobs sleep, give way, signal and wait: by themselves, in pairs, and all at a barrier. */
function drawPhases(random: Random, jobs: readonly DrawnJob[], channels: boolean): DrawnJob[] {
  if (random.chance(0.5)) return [...jobs]
  const alone = (): PhaseSpec => ({
    run: random.between(1, 8),
    ...(random.chance(0.3) ? { yield: true as const } : { sleep: random.between(1, 30) }),
  })
  const singly = jobs.map((job): DrawnJob => {
    const phases = Array.from({ length: random.between(1, 3) }, alone)
    return random.chance(0.6) && job.run > 0 ? { ...job, phases } : job
  })
  const [first, second, ...rest] = singly
  if (!channels || first === undefined || second === undefined) return singly
  const rounds = random.between(1, 12)
  const ping: DrawnJob = {
    ...first,
    run: 3 * rounds,
    phases: [
      { run: 2, signal: "ping" },
      { run: 1, await: "pong" },
    ],
  }
  const pong: DrawnJob = {
    ...second,
    run: 2 * rounds,
    phases: [
      { run: 1, await: "ping" },
      { run: 1, signal: "pong" },
    ],
  }
  const band = rest.slice(0, random.below(5))
  const barrier = {
    phases: [
      { run: 2, signal: "met" },
      { run: 1, await: "met", count: band.length },
    ],
  }
  return [ping, pong, ...rest.map((job, index) => (index < band.length ? { ...job, ...barrier, run: 3 * rounds } : job))]
}

function drawArrivals(random: Random): ArrivalSpec {
  return {
    everyTicks: random.between(2, 12),
    run: { least: 0, most: random.between(1, 60) },
    workingSet: { least: 0, most: 60 },
    liveMax: random.between(1, 12),
    total: random.between(1, 20),
  }
}

/** At least one CPU. */
function drawAffinity(random: Random, cpus: number): number[] {
  const all = Array.from({ length: cpus }, (_, cpu) => cpu)
  return random
    .shuffled(all)
    .slice(0, random.between(1, cpus))
    .sort((a, b) => a - b)
}

/** Half of them those that have most to say to each other: a queue a CPU, with stealing, and the one queue to change to. */
function drawPolicy(random: Random): PolicyName {
  return random.chance(0.5) ? random.pick(["sqms", "mqms", "mqms-steal", "mqms-warm"] as const) : random.pick(POLICY_NAMES)
}

function drawSwaps(random: Random, lastTick: number): ActionSpec[] {
  if (random.chance(0.5)) return []
  return Array.from({ length: random.between(1, 4) }, () => ({ atTick: random.between(1, lastTick), swap: drawPolicy(random) }))
}

interface Changing {
  readonly cpus: number
  readonly jobs: readonly { readonly name: string }[]
  readonly lastTick: number
}

/** In one machine of three CPUs go and come, tasks get other CPUs and weights, candidates go into shadow, two policies share the CPUs. */
function drawChanges(random: Random, { cpus, jobs, lastTick }: Changing): ActionSpec[] {
  if (random.chance(2 / 3)) return []
  const atTick = (): number => random.between(1, lastTick)
  const some = (most: number, draw: () => ActionSpec): ActionSpec[] =>
    random.chance(0.5) ? Array.from({ length: random.between(1, most) }, draw) : []
  const lines = some(8, () => ({ atTick: atTick(), cpu: { index: random.below(cpus), online: random.chance(0.4) } }))
  // All are there again at the end: a task that may run on one CPU only would wait for it for ever.
  const back = Array.from({ length: lines.length > 0 ? cpus : 0 }, (_, index) => ({ atTick: lastTick + 1, cpu: { index, online: true } }))
  const tuned = some(4, () => ({
    atTick: atTick(),
    task: {
      name: random.pick(jobs).name,
      affinity: random.chance(0.6) ? drawAffinity(random, cpus) : [],
      weight: random.pick([50, 100, 400]),
    },
  }))
  const shadows = some(2, () => ({
    atTick: atTick(),
    swap: drawPolicy(random),
    shadow: random.between(1, 12),
    ...(random.chance(0.3) ? { shadowOnly: true as const } : {}),
  }))
  const sets = some(2, () => ({ atTick: atTick(), swap: drawPolicy(random), ...(cpus > 1 ? { cpus: [random.below(cpus)] } : {}) }))
  return [...lines, ...back, ...tuned, ...shadows, ...sets]
}

function drawFaults(random: Random, until: FaultPlan["until"]): FaultPlan {
  const ticks = (least: number, most: number): CycleRange => ({ min: least * TICK_CYCLES, max: random.between(least, most) * TICK_CYCLES })
  const share = (most: number): number => random.unit() * most
  const maybe = <T>(make: () => T): T | null => (random.chance(0.5) ? make() : null)
  const delay = (): CycleRange => ({ min: 100, max: random.pick([1_000, TICK_CYCLES / 10, TICK_CYCLES, 3 * TICK_CYCLES]) })
  const downMax = random.between(1, 3)
  // Some outages are longer than the silence after which a node is given up: then the dead come back.
  const outage = (): CycleRange => ticks(1, random.chance(0.3) ? 260 : 40)
  return {
    until,
    ...maybe(() => ({ loss: share(0.25) })),
    ...maybe(() => ({ duplication: share(0.25) })),
    ...maybe(() => ({ delay: delay() })),
    ...maybe(() => ({ delay: delay(), reordering: share(0.5) })),
    ...maybe(() => ({ clog: { chance: share(0.02), lasting: ticks(1, 20) } })),
    ...maybe(() => ({ partition: { every: ticks(5, 60), lasting: outage(), oneWay: share(0.5), partial: share(0.5) } })),
    ...maybe(() => ({ crash: { every: ticks(3, 60), down: outage(), loseUnsynced: share(1), downMax } })),
    ...maybe(() => ({ pause: { every: ticks(5, 60), lasting: outage() } })),
  }
}
