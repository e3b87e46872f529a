/**
 * One queue against one queue a CPU, from 1 to 64 CPUs, with the contention for the queue measured: how long messages waited in the
 * mailboxes of the schedulers, how long those were busy, and what that cost the CPUs.
 *
 * A tick is 0.1 ms, a slice 1 ms, a message takes 0.3 µs: short, so that the lock is seen and not the wire. Tasks only run, four a CPU.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { distributionOf, mean } from "@backplane/schedule-measure/percentiles"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { measuredRun } from "../scoreboard/measured-run.ts"
import { emptyMailbox, ServingMachine, type MailboxRecord } from "./serving-machine.ts"

export const CPU_COUNTS = [1, 2, 4, 8, 16, 32, 64] as const
export const CONTENTION_POLICIES: readonly PolicyName[] = ["sqms", "mqms", "mqms-steal", "mqms-warm"]

const TICK_CYCLES = 10_000
const LATENCY_CYCLES = 30
const CPUS_PER_NODE = 4
const TASKS_PER_CPU = 4
const WORK_TICKS = 200

export interface ServiceTime {
  /** Cycles for a message, and for each event in it. */
  readonly perMessage: number
  readonly perEvent: number
}

/** As measured where this was written (`measuredService`): about 5 µs and 2.5 µs, at 100 cycles to the microsecond. */
export const SERVICE_DEFAULT: ServiceTime = { perMessage: 500, perEvent: 250 }

export interface ContentionPoint {
  readonly policy: PolicyName
  readonly cpus: number
  /** Work done in a tick, in CPUs' worth. */
  readonly throughput: number
  /** Of all CPU time: spent waiting for a decision. */
  readonly lostShare: number
  /** Cycles that messages waited in mailboxes. */
  readonly waitMean: number
  readonly waitP99: number
  readonly serviceMean: number
  /** Of the busiest scheduler: the part of the run in which its mailbox was being served. */
  readonly heldShare: number
  readonly mailboxLongest: number
}

export function contentionPoint(policy: PolicyName, cpus: number, service: ServiceTime = SERVICE_DEFAULT): ContentionPoint {
  const spec = resolveMachineSpec({
    seed: 1,
    topology: { cpus, nodes: Math.max(1, cpus / CPUS_PER_NODE) },
    cache: { size: 100, warmupTicks: 0, warmRate: 1 },
    schedule: { policy, sliceTicks: 10, peekTicks: 10 },
    clock: { tickCycles: TICK_CYCLES, latencyCycles: LATENCY_CYCLES },
    jobs: Array.from({ length: cpus * TASKS_PER_CPU }, (_, index) => ({ name: `t${index}`, run: WORK_TICKS, workingSet: 0 })),
  })
  const mailboxes = new Map<string, MailboxRecord>()
  const make: ActorMaker = (machine, id, incarnation) => {
    const actor = machineActor(machine, id, incarnation)
    if (actorKind(id) !== "scheduler") return actor
    const record = emptyMailbox()
    mailboxes.set(id, record)
    return new ServingMachine(actor, { serviceCycles: (body) => cyclesFor(body, service), record })
  }
  const { metrics } = measuredRun(spec, make)
  const all = [...mailboxes.values()]
  const waits = all.flatMap((record) => record.waits)
  const busy = all.map(({ busyCycles }) => busyCycles)
  return {
    policy,
    cpus,
    throughput: (cpus * TASKS_PER_CPU * WORK_TICKS) / metrics.makespanTicks,
    lostShare: 1 - metrics.busyShare,
    waitMean: mean(waits),
    waitP99: distributionOf(waits).p99,
    serviceMean: busy.reduce((sum, cycles) => sum + cycles, 0) / Math.max(1, waits.length),
    heldShare: Math.max(0, ...busy) / (metrics.makespanTicks * TICK_CYCLES),
    mailboxLongest: Math.max(0, ...all.map(({ longest }) => longest)),
  }
}

function cyclesFor(body: Body, { perMessage, perEvent }: ServiceTime): number {
  return perMessage + eventsIn(body) * perEvent
}

export function eventsIn(body: Body): number {
  return body.kind === "SchedulerEvents" && "events" in body && Array.isArray(body.events) ? body.events.length : 0
}
