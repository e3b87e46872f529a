import { describe, it } from "vitest"
import { messageLine } from "@backplane/foundation-simulation/conversation"
import { expectScenario } from "@backplane/foundation-simulation/scenario-file"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { machineWorld, outcomeOf } from "./simulate.ts"

const job = (name: string, run: number, affinity: number[] = []): NonNullable<MachineInput["jobs"]>[number] => ({
  name,
  run,
  workingSet: 10,
  affinity,
})

interface Excerpt {
  readonly machine: MachineInput
  /** Kinds of message that belong to the walk. */
  readonly kinds: readonly string[]
  /** From the first cycle of this tick, −1 for the time before the first. */
  readonly fromTick: number
  readonly ticks: number
}

const EXCERPTS: Readonly<Record<string, Excerpt>> = {
  // hypervisor → node → memory → node, then node → hypervisor beside the path
  "start-and-lease": {
    machine: { topology: { cpus: 1 }, jobs: [job("a", 5)] },
    kinds: ["TaskSubmit", "FrameLeaseAsk", "FrameLeaseGrant", "TaskAccepted"],
    fromTick: -1,
    ticks: 1,
  },
  // node → scheduler → node
  schedule: {
    machine: { topology: { cpus: 1 }, jobs: [job("a", 50), job("b", 50)] },
    kinds: ["SchedulerEvents", "SchedulerCommit", "SchedulerVerdicts"],
    fromTick: 10,
    ticks: 1,
  },
  // node → scheduler → node: a task wakes while another runs, and preempts it
  wakeup: {
    machine: {
      topology: { cpus: 1 },
      schedule: { policy: "cfs" },
      jobs: [{ ...job("a", 9), phases: [{ run: 3, sleep: 20 }] }, job("b", 50)],
    },
    kinds: ["SchedulerEvents", "SchedulerCommit", "SchedulerVerdicts"],
    fromTick: 23,
    ticks: 1,
  },
  // node → node; its confirmation is beside the path
  signal: {
    machine: {
      topology: { cpus: 2, nodes: 2 },
      jobs: [
        { ...job("a", 9), phases: [{ run: 3, signal: "c" }] },
        { ...job("b", 4), phases: [{ run: 2, await: "c" }] },
      ],
    },
    kinds: ["ChannelLevels", "ChannelLevelsSeen", "SchedulerEvents"],
    fromTick: 3,
    ticks: 1,
  },
  // node → node → node; the confirmation and the word to the hypervisor are beside the path
  "move-between-nodes": {
    machine: { topology: { cpus: 2, nodes: 2 }, jobs: [job("a", 50), job("b", 50), job("c", 50)] },
    kinds: ["TaskFetch", "TaskState", "TaskReceived", "TaskMoved"],
    fromTick: 10,
    ticks: 1,
  },
  // thief → victim → node → thief; the verdict to the victim is beside the path
  steal: {
    machine: {
      topology: { cpus: 2 },
      schedule: { policy: "mqms-steal", peekTicks: 5 },
      jobs: [job("a", 50), job("b", 5), job("c", 50)],
    },
    kinds: ["StealAsk", "SchedulerCommit", "SchedulerEvents", "SchedulerVerdicts"],
    fromTick: 5,
    ticks: 1,
  },
  // hypervisor → node → hypervisor; node → schedulers, which attach and get their snapshots
  swap: {
    machine: { topology: { cpus: 1 }, jobs: [job("a", 30), job("b", 30)], actions: [{ atTick: 5, swap: "mqms" }] },
    kinds: ["PolicySwap", "PolicySwapped", "NodeUp", "SchedulerAttach", "SchedulerEvents", "SchedulerCommit"],
    fromTick: 5,
    ticks: 1,
  },
  // hypervisor → node → hypervisor; node → candidate, which attaches, hears all, and decides what is not done
  shadow: {
    machine: {
      topology: { cpus: 1 },
      jobs: [job("a", 30), job("b", 30)],
      actions: [{ atTick: 5, swap: "fifo", shadow: 2, shadowOnly: true }],
    },
    kinds: ["ShadowSwap", "ShadowSwapped", "ShadowReport", "NodeUp", "SchedulerAttach", "SchedulerEvents", "SchedulerCommit"],
    fromTick: 5,
    ticks: 6,
  },
  // hypervisor → node → hypervisor, and node → schedulers: the task that ran there is told of, then the CPU
  "cpu-offline": {
    machine: { topology: { cpus: 2 }, jobs: [job("a", 30), job("b", 30)], actions: [{ atTick: 5, cpu: { index: 1, online: false } }] },
    kinds: ["CpuLevels", "CpuLevelsSeen", "SchedulerEvents", "SchedulerCommit", "SchedulerVerdicts"],
    fromTick: 5,
    ticks: 1,
  },
  // hypervisor → node → hypervisor, and node → scheduler
  affinity: {
    machine: {
      topology: { cpus: 2 },
      jobs: [job("a", 30), job("b", 30), job("c", 30)],
      actions: [{ atTick: 5, task: { name: "c", affinity: [1], weight: 300 } }],
    },
    kinds: ["TaskTune", "TaskTuned", "SchedulerEvents", "SchedulerCommit"],
    fromTick: 5,
    ticks: 1,
  },
  // the scheduler's choice is there before the slice ends: node → scheduler says what was done, no CPU waits
  prefetch: {
    machine: { topology: { cpus: 1 }, schedule: { prefetch: true }, jobs: [job("a", 50), job("b", 50)] },
    kinds: ["SchedulerEvents", "SchedulerCommit", "SchedulerVerdicts"],
    fromTick: 10,
    ticks: 1,
  },
  // node → hypervisor → node and node → memory → node
  end: {
    machine: { topology: { cpus: 1 }, jobs: [job("a", 5), job("b", 50)] },
    kinds: ["TaskFinished", "TaskFinishedSeen", "FrameRelease", "FrameReleased"],
    fromTick: 5,
    ticks: 1,
  },
}

function textOf(title: string, { machine, kinds, fromTick, ticks }: Excerpt): string {
  const spec = resolveMachineSpec(machine)
  const world = machineWorld(spec)
  const clock = new TickClock(spec.clock)
  const [from, to] = [clock.start(fromTick), clock.start(fromTick + ticks)]
  const lines: string[] = []
  world.onMessage((message) => {
    if (message.at >= from && message.at < to && kinds.includes(message.body.kind)) lines.push(messageLine(message))
  })
  world.run({ stop: () => outcomeOf(world) !== null })
  return `${title}: ${lines.length} messages\n${lines.join("\n")}\n`
}

describe("what is said word for word, on the walk and beside it", () => {
  it.each(Object.entries(EXCERPTS))("%s", (name, excerpt) => {
    expectScenario(new URL(`../scenarios/${name}.txt`, import.meta.url), textOf(name, excerpt))
  })
})
