/** The machines of a storm and the swaps that they are put through, drawn from a seed: the same for simulated machines and live ones. */
import { Random } from "@backplane/foundation-base/random"
import { POLICY_NAMES, type ActionSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import type { MachineInput } from "@backplane/scenario-machine/resolve"

export const SLICE_TICKS = 5
export const NODES = 2
export const CPUS = 4
/** CPUs of the second set, where two policies share the machine: one of each node. */
const SET = [1, 3]
const SET_CHANCE = 0.15
const PREFETCH_CHANCE = 0.5
const SHADOW_CHANCE = 0.1
const GONE_CHANCE = 0.3
const TUNED_CHANCE = 0.2
/** A machine that has not done its work by then never will. */
const TIMES_LONGER_MOST = 10
/** The work is dealt so that it lasts a little longer than the swaps. */
const SHARES = 8
/** Tasks that sleep have less to do, or they would go on long after the last swap. */
const SLEEPER_PART = 4
const WEIGHTS = [50, 100, 100, 300] as const

export interface StormOptions {
  readonly seed: number
  readonly swaps: number
  /** Slices between two swaps. */
  readonly everySlices: number
  /** One swap in so many loses a scheduler, each time another one or in another of its steps; 0: none. */
  readonly killEvery: number
  /** Of the machine: at least one a node; not given: 4. */
  readonly cpus?: number
}

/** `null`: the scheduler service that takes part. */
export interface StormSwap {
  readonly atTick: number
  readonly policy: PolicyName | null
  /** Absent: it takes all CPUs. */
  readonly cpus?: readonly number[]
}

/** `service`: there is one, which takes its turn. */
export function stormSwaps({ seed, swaps, everySlices, cpus = CPUS }: StormOptions, service: boolean): readonly StormSwap[] {
  const random = new Random(seed).fork("storm")
  const order = random.shuffled<PolicyName | null>([...POLICY_NAMES, ...(service ? [null] : [])])
  const sets = random.fork("sets")
  return Array.from({ length: swaps }, (_, index) => {
    const policy = order[index % order.length] ?? null
    // A service's seat has all CPUs of the machine, and so has whoever comes after it.
    const beside = policy === null || order[(index + order.length - 1) % order.length] === null
    return {
      atTick: (index + 1) * everySlices * SLICE_TICKS,
      policy,
      ...(sets.chance(SET_CHANCE) && !beside && { cpus: SET.filter((cpu) => cpu < cpus) }),
    }
  })
}

/** Enough work to last through all the swaps: tasks that only run, that sleep, that are kept to one CPU, of several weights. */
export function stormMachine({ seed, swaps, everySlices, cpus = CPUS }: StormOptions): MachineInput {
  const random = new Random(seed).fork("machine")
  const ticks = swaps * everySlices * SLICE_TICKS
  const share = Math.max(20, Math.floor((ticks * cpus) / SHARES))
  const jobs = Array.from({ length: 12 }, (_, index) => ({
    name: `t${index}`,
    run: index % 3 === 1 ? Math.ceil(share / SLEEPER_PART) : share,
    workingSet: random.below(40),
    affinity: index % 4 === 3 ? [random.below(cpus)] : [],
    weight: random.pick(WEIGHTS),
    ...(index % 3 === 1 && { phases: [{ run: random.between(3, 30), sleep: random.between(2, 30) }] }),
  }))
  return {
    name: "storm",
    seed,
    topology: { nodes: NODES, cpus },
    cache: { warmRate: 1 },
    schedule: { policy: "sqms", sliceTicks: SLICE_TICKS, ...(random.chance(PREFETCH_CHANCE) ? { prefetch: true as const } : {}) },
    jobs,
    maxTicks: TIMES_LONGER_MOST * ticks + 10_000,
  }
}

/**
 * What else is done to a simulated machine between two swaps: a CPU goes and comes back, a task gets other CPUs and another weight, one
 * swap in ten is in shadow first. The fourth CPU stays, so that no set is ever without one.
 */
export function stormActions(options: StormOptions): readonly ActionSpec[] {
  const random = new Random(options.seed).fork("actions")
  const everyTicks = options.everySlices * SLICE_TICKS
  return stormSwaps(options, false)
    .flatMap(({ atTick, policy, cpus }): ActionSpec[] => {
      const shadow = cpus === undefined && random.chance(SHADOW_CHANCE) ? { shadow: random.between(1, 4) } : {}
      const swap: ActionSpec = { atTick, swap: policy ?? "rr", ...(cpus && { cpus: [...cpus] }), ...shadow }
      const at = atTick + random.below(everyTicks)
      const index = random.below(CPUS - 1)
      const gone = { atTick: at, cpu: { index, online: false } }
      const back = { atTick: at + random.between(1, everyTicks), cpu: { index, online: true } }
      const affinity = random.chance(0.3) ? [] : [random.below(CPUS)]
      const tuned = { atTick: at, task: { name: MASKED, affinity, weight: random.pick(WEIGHTS) } }
      return [swap, ...(random.chance(GONE_CHANCE) ? [gone, back] : []), ...(random.chance(TUNED_CHANCE) ? [tuned] : [])]
    })
    .sort((a, b) => a.atTick - b.atTick)
}

/** The task whose affinity changes. */
export const MASKED = "t2"
