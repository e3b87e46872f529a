import { expect, it } from "vitest"
import { RunRecorder } from "./run-recorder.ts"

const CYCLES = 1000

function recorder(): RunRecorder {
  return new RunRecorder({
    cpus: [{ cpu: 0, node: 0 }],
    sliceTicks: 10,
    tickCycles: CYCLES,
    cyclesPerSecond: 10 * CYCLES,
    tickAt: (cycles) => Math.floor(cycles / CYCLES) - 1,
    tasks: [{ name: "a", weight: 300, affinity: [0] }],
  })
}

const at = (tick: number, more = 0): number => (tick + 1) * CYCLES + more

it("events become stays: waiting, running with its warm ticks, blocked, awake, done", () => {
  const told = recorder()
  told.onEvent(50, "task-new", { "backplane.task": "a", "backplane.node": 1 })
  told.onEvent(at(2, 7), "dispatch", { "backplane.task": "a", "backplane.cpu": 0 })
  told.onEvent(at(6), "slice", { "backplane.task": "a", "backplane.cpu": 0, "backplane.ran": 4, "backplane.warm": 3 })
  told.onEvent(at(6), "task-blocked", { "backplane.task": "a", "backplane.reason": "sleep" })
  told.onEvent(at(9), "task-woken", { "backplane.task": "a" })
  told.onEvent(at(9, 40), "dispatch", { "backplane.task": "a", "backplane.cpu": 0 })
  told.onEvent(at(12), "slice", { "backplane.task": "a", "backplane.cpu": 0, "backplane.ran": 3, "backplane.warm": 0 })
  told.onEvent(at(12), "task-finished", { "backplane.task": "a" })
  const { tasks, decisionCycles } = told.record(20)
  expect(tasks).toEqual([
    {
      name: "a",
      weight: 300,
      affinity: [0],
      home: 1,
      finishTick: 12,
      stays: [
        { state: "waiting", from: 0, to: 2, why: "new" },
        { state: "running", from: 2, to: 6, cpu: 0, warmTicks: 3 },
        { state: "blocked", from: 6, to: 9 },
        { state: "running", from: 9, to: 12, cpu: 0, warmTicks: 0 },
      ],
    },
  ])
  expect(decisionCycles).toEqual([at(2, 7) - 50, 40])
})

it("a preempted task waits from the end of its slice; what is in progress at the end is cut off, and has not finished", () => {
  const told = recorder()
  told.onEvent(at(0), "task-new", { "backplane.task": "a", "backplane.node": 0 })
  told.onEvent(at(0), "dispatch", { "backplane.task": "a", "backplane.cpu": 0 })
  told.onEvent(at(5), "slice", { "backplane.task": "a", "backplane.cpu": 0, "backplane.ran": 5, "backplane.warm": 0 })
  told.onEvent(at(5), "preempt", { "backplane.task": "a", "backplane.reason": "slice" })
  expect(told.record(8).tasks[0]).toMatchObject({
    finishTick: null,
    stays: [
      { state: "running", from: 0, to: 5 },
      { state: "waiting", from: 5, to: 8, why: "slice" },
    ],
  })
})

it("counts messages of scheduling only, refusals by verdict, and what no scheduler chose", () => {
  const told = recorder()
  for (const kind of ["SchedulerEvents", "SchedulerCommit", "StealAsk", "OfferAnswer", "NodeUp", "TaskFetch", "FrameLeaseAsk"])
    told.onMessage(kind)
  told.onEvent(at(1), "verdict-refused", { "backplane.verdict": "STALE_TASK" })
  told.onEvent(at(1), "verdict-refused", { "backplane.verdict": "AFFINITY" })
  told.onEvent(at(1), "verdict-refused", { "backplane.verdict": "STALE_TASK" })
  told.onEvent(at(1), "scheduler-bypassed", { "backplane.task": "a" })
  expect(told.record(1)).toMatchObject({ messages: 5, bypasses: 1, refusals: { AFFINITY: 1, STALE_TASK: 2 } })
})

it("a CPU that has to wake first makes its task wait; power adds up over cycles, to the end of the record", () => {
  const told = recorder()
  told.onEvent(at(0), "power", { "backplane.cpu": 0, "backplane.watts": 2 })
  told.onEvent(at(0), "task-new", { "backplane.task": "a", "backplane.node": 0 })
  told.onEvent(at(4), "dispatch", { "backplane.task": "a", "backplane.cpu": 0, "backplane.waking": 3 })
  told.onEvent(at(4), "power", { "backplane.cpu": 0, "backplane.watts": 10 })
  told.onEvent(at(12), "slice", { "backplane.task": "a", "backplane.cpu": 0, "backplane.ran": 5, "backplane.warm": 0 })
  told.onEvent(at(12), "task-finished", { "backplane.task": "a" })
  told.onEvent(at(12), "power", { "backplane.cpu": 0, "backplane.watts": 1 })
  const { tasks, energy } = told.record(20)
  expect(tasks[0]?.stays).toEqual([
    { state: "waiting", from: 0, to: 7, why: "new" },
    { state: "running", from: 7, to: 12, cpu: 0, warmTicks: 0 },
  ])
  // A tick is a tenth of a second: 4 ticks at 2 W, 8 at 10 W, 8 at 1 W.
  expect(energy).toBeCloseTo(0.8 + 8 + 0.8, 10)
})
