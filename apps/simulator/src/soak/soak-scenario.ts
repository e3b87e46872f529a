/**
 * One seed of the soak: a drawn machine under drawn faults, checked while they last (safety), then healed and made to finish
 * everything (liveness), then looked at once more when all is over (nothing is left lying about).
 */
import { Random } from "@backplane/foundation-base/random"
import { after } from "@backplane/foundation-actor/virtual-time"
import type { World } from "@backplane/foundation-simulation/world"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { hostedActors, MEMORY_CONTROLLER, schedulerActor } from "@backplane/scenario-machine/topology"
import { actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { drawExact, drawFaulty, drawLossy, drawSlow, TICK_CYCLES, type SoakCase } from "./drawn-machine.ts"
import { addMachineCheckers, liveNodes } from "./machine-checkers.ts"
import { withRepeatCheck } from "./repeat-check.ts"

/** `faulty`: all kinds of fault. `lossy`: the network's only. `slow`: only slow messages. `exact`: nothing is wrong. */
export const SOAK_KINDS = ["faulty", "lossy", "slow", "exact"] as const
export type SoakKind = (typeof SOAK_KINDS)[number]

export interface SoakOptions {
  readonly kind: SoakKind
  /** What the machine is made of: another maker plants a bug. */
  readonly make?: ActorMaker
  readonly replayCommand?: string
}

const DRAW: Readonly<Record<SoakKind, (random: Random, seed: number) => SoakCase>> = {
  faulty: drawFaulty,
  lossy: drawLossy,
  slow: drawSlow,
  exact: drawExact,
}

/** After the last fault everything is put right within so many ticks: a dead node is noticed after 200, its tasks begin again. */
const SETTLE_TICKS = 700
/** When all jobs have ended, the last releases and acknowledgements take at most so long. */
const AFTERMATH_TICKS = 120

/** Runs one seed to its end; throws where something is wrong. */
export function soak(options: SoakOptions): (seed: number) => World {
  return (seed) => {
    const drawn = DRAW[options.kind](new Random(seed).fork(`soak/${options.kind}`), seed)
    return runSoakCase(drawn, options)
  }
}

function runSoakCase({ spec, faults, calmTick }: SoakCase, options: SoakOptions): World {
  const { make = machineActor, replayCommand } = options
  const world = machineWorld(
    spec,
    { ...(faults === null ? {} : { faults }), stepsMax: 3_000_000, ...(replayCommand === undefined ? {} : { replayCommand }) },
    (...of) => withRepeatCheck(make(...of)),
  )
  addMachineCheckers(world, spec)
  const calmAt = (calmTick + 1) * TICK_CYCLES
  watchBypasses(world, spec, { calmAt, disturbed: calmTick > 0 })
  if (calmTick > 0) world.run({ until: after(world.now, calmAt) })
  const within = (lastArrivalTick(spec) + workTicks(spec) + SETTLE_TICKS) * TICK_CYCLES
  world.demandProgress({ what: "all jobs ended", within, done: () => outcomeOf(world) !== null })
  checkOutcome(world, spec, options.kind)
  const end = after(world.now, AFTERMATH_TICKS * TICK_CYCLES)
  world.run({ until: end, stop: () => leftovers(world, spec).length === 0 })
  const left = leftovers(world, spec)
  if (left.length > 0) throw new Error(`all jobs have ended, and ${AFTERMATH_TICKS} ticks later there is still: ${left.join("; ")}`)
  return world
}

/** An upper bound: as if the CPUs took turns. */
function workTicks({ jobs, arrivals }: MachineSpec): number {
  const listed = jobs.reduce((sum, job) => sum + job.run + 1 + sleepTicks(job), 0)
  return listed + (arrivals === undefined ? 0 : arrivals.total * (arrivals.run.most + 1))
}

/** As if they slept one after the other. */
function sleepTicks({ run, phases = [] }: MachineSpec["jobs"][number]): number {
  const work = phases.reduce((sum, phase) => sum + phase.run, 0)
  const sleep = phases.reduce((sum, phase) => sum + (phase.sleep ?? 0), 0)
  return work === 0 ? 0 : Math.ceil(run / work) * sleep
}

function lastArrivalTick({ jobs, arrivals }: MachineSpec): number {
  const drawn = arrivals === undefined ? 0 : 2 * arrivals.total * arrivals.everyTicks
  return Math.max(drawn, ...jobs.map((job) => job.arrival))
}

/** C8: every job ended, and where nothing failed none was begun twice. */
function checkOutcome(world: World, spec: MachineSpec, kind: SoakKind): void {
  const outcome = outcomeOf(world)
  if (outcome === null) return
  if ("failure" in outcome) throw new Error(`the machine failed: ${outcome.failure.message}`)
  const { jobs, lost, restarts } = outcome.result
  if (lost.length > 0) throw new Error(`lost: ${lost.join(" ")}, though all may be started again`)
  for (const { name } of spec.jobs) if (typeof jobs[name] !== "number") throw new Error(`job ${name} has no end`)
  if (kind !== "faulty" && restarts > 0) throw new Error(`${restarts} restarts, though nothing failed`)
}

/** C9: what may not be there when all jobs have ended. */
export function leftovers(world: World, spec: MachineSpec): string[] {
  const controller = world.inspect(MEMORY_CONTROLLER, MemoryControllerMachine)?.inspect()
  const leases = (controller?.leases ?? []).map((lease) => `lease of ${lease.owner}/${lease.attempt}`)
  const nodes = liveNodes(world, spec).flatMap(({ node, tasks, leaving, unanswered }) => [
    ...tasks.map((task) => `task ${task.task} on node ${node}`),
    ...leaving.map((task) => `copy of ${task} on node ${node}`),
    ...(unanswered > 0 ? [`${unanswered} unanswered requests of node ${node}`] : []),
  ])
  // A scheduler whose policy is over may not have heard of it yet: nobody listens to it, and its claims are void.
  const epoch = Math.max(...liveNodes(world, spec).map((node) => node.epoch))
  const claims = hostedActors(spec)
    .filter((id) => actorKind(id) === "scheduler")
    .flatMap((id) => {
      const scheduler = world.inspect(schedulerActor(actorIndex(id)), SchedulerMachine)?.inspect()
      if (scheduler?.epoch !== epoch) return []
      return [...scheduler.waiting, ...scheduler.deciding, ...scheduler.handing].map((task) => `claim of ${id} on ${task}`)
    })
  return [...leases, ...nodes, ...claims]
}

/**
 * C10: a scheduler that nothing disturbs is never bypassed, much less ejected: it forgets no claim and answers every idle CPU in time. After faults it is
 * given time to be told everything anew.
 */
function watchBypasses(world: World, spec: MachineSpec, when: { readonly calmAt: number; readonly disturbed: boolean }): void {
  const from = when.disturbed ? when.calmAt + (SETTLE_TICKS + 2 * spec.schedule.sliceTicks) * TICK_CYCLES : 0
  world.onEvent((at, actor, { name, fields }) => {
    if (name === "scheduler-bypassed" && at >= from) throw new Error(`${actor} bypassed a scheduler: ${JSON.stringify(fields)}`)
    if (name === "scheduler-ejected" && at >= from) throw new Error(`${actor} ejected a scheduler: ${JSON.stringify(fields)}`)
  })
}
