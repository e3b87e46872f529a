/**
 * A storm of swaps in simulation: policy after policy takes over a loaded machine, some of them two at a time, some after a time in shadow;
 * CPUs go and come, a task gets other CPUs, choices are pre-fetched; and now and then a scheduler is killed in the middle of it.
 *
 * What must hold is checked twice: while it runs by the soak's checkers, and at the end from what the CPUs ran (storm-ledger.ts). Here are
 * the storm itself and how long CPUs wait beside work because of it. A message takes a quarter of a tick, so that a swap is seen in ticks.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { Random } from "@backplane/foundation-base/random"
import type { World } from "@backplane/foundation-simulation/world"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { HYPERVISOR, queuesOfSeat, schedulerActor, type Seat } from "@backplane/scenario-machine/topology"
import { distributionOf } from "@backplane/schedule-measure/percentiles"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { addMachineCheckers } from "../soak/machine-checkers.ts"
import { stormLedger, type StormLedger } from "./storm-ledger.ts"
import { CPUS, MASKED, SLICE_TICKS, stormActions, stormMachine, type StormOptions } from "./storm-machine.ts"

export interface StormReport extends StormLedger {
  readonly seed: number
  readonly swaps: number
  /** Of the swaps: of two policies at once, and after a time in shadow. */
  readonly sets: number
  readonly shadows: number
  readonly prefetch: boolean
  /** CPUs that went off line. */
  readonly gone: number
  readonly kills: number
  /** Of all steps of a swap, for the scheduler before it and for the one after it: those in which one was killed. */
  readonly placesKilled: number
  readonly places: number
  readonly jobs: number
  readonly lost: number
  readonly restarts: number
  readonly ejections: number
  /** Tasks that were put on a CPU that they may not use by then, or that is off line. */
  readonly dispatchesOutside: number
  /** Ticks that a CPU waited beside a task that waited as long, over the dispatches in the slice after a swap, in slices. */
  readonly gapP99Slices: number
  readonly gapMostSlices: number
}

export const LATENCY_CYCLES = 2_500
const TICK_CYCLES = 4 * LATENCY_CYCLES
/** A swap is over after about eight messages. Steps are half a message apart: on its way, and come. */
export const SWAP_STEPS = 20
export const STEP_CYCLES = LATENCY_CYCLES / 2
/** A killed scheduler is back after so many messages' time at most: two slices. */
const DOWN_MESSAGES_MOST = 40
/** Slices after a swap for which its gaps are counted. */
export const WINDOW_SLICES = 2

function stormSpec(options: StormOptions): MachineSpec {
  return resolveMachineSpec({
    ...stormMachine(options),
    clock: { mode: "free", tickCycles: TICK_CYCLES, latencyCycles: LATENCY_CYCLES },
    actions: [...stormActions(options)],
  })
}

/** What CPUs and tasks may do by now, as the nodes say it, and what was done although it may not be. */
class Rules {
  readonly #wanted: readonly { readonly atTick: number; readonly affinity: readonly number[] }[]
  readonly #off = new Set<number>()
  #mask: readonly number[] = []
  readonly gaps: number[] = []
  dispatchesOutside = 0
  ejections = 0
  gone = 0

  constructor(spec: MachineSpec) {
    this.#wanted = spec.actions.flatMap(({ atTick, task }) => (task === undefined ? [] : [{ atTick, affinity: task.affinity ?? [] }]))
  }

  saw(tick: number, name: string, fields: Readonly<Record<string, unknown>>, isAfterSwap: boolean): void {
    const cpu = Number(fields["backplane.cpu"])
    if (name === "scheduler-ejected") this.ejections++
    else if (name === "task-tuned") this.#mask = this.#wanted.findLast(({ atTick }) => atTick <= tick)?.affinity ?? []
    else if (name === "cpu-online") this.#off.delete(cpu)
    else if (name === "cpu-offline") this.gone += Number(!this.#off.has(cpu) && this.#off.add(cpu) !== undefined)
    if (name !== "dispatch") return
    const mask = fields["backplane.task"] === MASKED ? this.#mask : []
    if (this.#off.has(cpu) || (mask.length > 0 && !mask.includes(cpu))) this.dispatchesOutside++
    if (isAfterSwap) this.gaps.push(Math.min(Number(fields["backplane.wait"] ?? 0), Number(fields["backplane.queued"] ?? 0)))
  }
}

/** Runs one storm to its end; throws where a law is broken. */
export function storm(options: StormOptions, make: ActorMaker = machineActor): StormReport {
  const spec = stormSpec(options)
  const clock = new TickClock(spec.clock)
  const world = machineWorld(spec, { fingerprint: "off" }, make)
  addMachineCheckers(world, spec)
  const rules = new Rules(spec)
  let lastSwap = -Infinity
  world.onEvent((at, _actor, { name, fields = {} }) => {
    rules.saw(clock.tickAt(at), name, fields, at <= lastSwap + WINDOW_SLICES * SLICE_TICKS * spec.clock.tickCycles)
  })
  const killer = new Killer(world, options.seed)
  const swaps = spec.actions.filter(({ swap }) => swap !== undefined)
  let done = 0
  for (const [index, { atTick }] of swaps.entries()) {
    const start = clock.start(atTick)
    world.run({ until: virtualTime(start - 1), stop: () => outcomeOf(world) !== null })
    if (outcomeOf(world) !== null) break
    const before = seatsNow(world)
    world.run({ until: start })
    lastSwap = start
    done++
    if (options.killEvery > 0 && index % options.killEvery === 0) killer.kill(start, [before, seatsNow(world)])
  }
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  if (outcome === null || "failure" in outcome) throw new Error(`seed ${options.seed}: ${outcome?.failure.message ?? "no end"}`)
  const { lost, restarts, jobs, schedule } = outcome.result
  const gap = distributionOf(rules.gaps)
  return {
    seed: options.seed,
    swaps: done,
    sets: swaps.filter(({ cpus }) => cpus !== undefined).length,
    shadows: swaps.filter(({ shadow }) => shadow !== undefined).length,
    prefetch: spec.schedule.prefetch === true,
    gone: rules.gone,
    kills: killer.kills,
    placesKilled: killer.placesKilled,
    places: killer.places,
    ...stormLedger(spec, schedule, new Set([MASKED])),
    jobs: Object.keys(jobs).length,
    lost: lost.length,
    restarts,
    ejections: rules.ejections,
    dispatchesOutside: rules.dispatchesOutside,
    gapP99Slices: gap.p99 / SLICE_TICKS,
    gapMostSlices: gap.most / SLICE_TICKS,
  }
}

function seatsNow(world: World): readonly Seat[] {
  const state = world.inspect(HYPERVISOR, HypervisorMachine)?.inspect() as { readonly seats?: readonly Seat[] } | undefined
  return state?.seats ?? []
}

/** Kills a scheduler of before the swap or of after it, in each of the swap's steps in turn, and brings it back a little later. */
class Killer {
  readonly #world: World
  readonly #random: Random
  readonly #order: readonly { readonly side: number; readonly step: number }[]
  kills = 0

  constructor(world: World, seed: number) {
    this.#world = world
    this.#random = new Random(seed).fork("kills")
    this.#order = this.#random.shuffled([0, 1].flatMap((side) => Array.from({ length: SWAP_STEPS }, (_, step) => ({ side, step }))))
  }

  get places(): number {
    return this.#order.length
  }

  get placesKilled(): number {
    return Math.min(this.kills, this.places)
  }

  kill(start: number, seats: readonly (readonly Seat[])[]): void {
    const { side, step } = this.#order[this.kills % this.places] ?? { side: 0, step: 0 }
    const queues = (seats[side] ?? []).flatMap((seat) => queuesOfSeat(seat, CPUS))
    const victim: ActorId = schedulerActor(this.#random.pick(queues))
    this.kills++
    const at = start + step * STEP_CYCLES
    this.#world.run({ until: virtualTime(at) })
    this.#world.crash(victim)
    this.#world.run({ until: virtualTime(at + LATENCY_CYCLES * this.#random.between(1, DOWN_MESSAGES_MOST)) })
    this.#world.restart(victim)
  }
}
