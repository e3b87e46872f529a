import { describe, expect, it } from "vitest"
import { fairness, jainIndex } from "./fairness.ts"
import { couldRun, idleBesideWork } from "./idle-beside-work.ts"
import { responseTime, starvation, wakeLatency } from "./latencies.ts"
import { metricsOf } from "./metrics.ts"
import { distributionOf, median, spread } from "./percentiles.ts"
import { placement } from "./placement.ts"
import type { RecordedTask, RunRecord, Stay, WaitReason } from "./run-record.ts"

const wait = (from: number, to: number, why: WaitReason = "slice"): Stay => ({ state: "waiting", from, to, why })
const run = (from: number, to: number, cpu = 0, warmTicks = 0): Stay => ({ state: "running", from, to, cpu, warmTicks })
const sleep = (from: number, to: number): Stay => ({ state: "blocked", from, to })

function task(name: string, stays: readonly Stay[], about: Partial<RecordedTask> = {}): RecordedTask {
  return { name, weight: 100, affinity: [], home: 0, stays, finishTick: stays.at(-1)?.to ?? null, ...about }
}

/** A machine of `cpus` CPUs, every two of them a node. */
function record(cpus: number, tasks: readonly RecordedTask[], about: Partial<RunRecord> = {}): RunRecord {
  return {
    cpus: Array.from({ length: cpus }, (_, cpu) => ({ cpu, node: cpu >> 1 })),
    sliceTicks: 10,
    endTick: Math.max(0, ...tasks.flatMap(({ stays }) => stays.map(({ to }) => to))),
    tasks,
    decisionCycles: [],
    refusals: {},
    bypasses: 0,
    messages: 0,
    energy: null,
    ...about,
  }
}

describe("percentiles", () => {
  it("are values that occurred, by the nearest rank", () => {
    const values = Array.from({ length: 1000 }, (_, index) => 1000 - index)
    expect(distributionOf(values)).toEqual({ count: 1000, p50: 500, p99: 990, p999: 999, most: 1000 })
    expect(distributionOf([7])).toEqual({ count: 1, p50: 7, p99: 7, p999: 7, most: 7 })
    expect(distributionOf([])).toEqual({ count: 0, p50: 0, p99: 0, p999: 0, most: 0 })
  })

  it("median and spread over seeds", () => {
    expect(median([5, 1, 3, 100])).toBe(4)
    expect(spread([1, 2, 3, 4, 5, 6, 7, 100])).toBe(4)
  })
})

describe("latencies", () => {
  const stays = [wait(0, 2, "new"), run(2, 4), sleep(4, 10), wait(10, 13, "wake"), run(13, 15), wait(15, 40), run(40, 41)]

  it("wake latency is from awake to on a CPU, whatever other waits there are", () => {
    expect(wakeLatency(record(1, [task("a", stays)]))).toMatchObject({ count: 1, p50: 3 })
  })

  it("a burst's response is from free to run until blocked or done, preemptions included", () => {
    expect(responseTime(record(1, [task("a", stays)]))).toMatchObject({ count: 2, p50: 4, most: 31 })
    expect(responseTime(record(1, [task("a", stays, { finishTick: null })]))).toMatchObject({ count: 1, most: 4 })
  })

  it("starvation is the longest wait in one piece", () => {
    expect(starvation(record(1, [task("a", stays)]))).toEqual({ waitMostTicks: 25, tasks: 0 })
    expect(starvation(record(1, [task("a", [wait(0, 200)])]))).toEqual({ waitMostTicks: 200, tasks: 1 })
  })
})

describe("fairness", () => {
  it("two that take turns are served alike, and lag by half a turn", () => {
    const a = task("a", [run(0, 10), wait(10, 20)])
    const b = task("b", [wait(0, 10), run(10, 20)])
    expect(fairness(record(1, [a, b]))).toEqual({ jain: 1, lagMostTicks: 5 })
  })

  it("one that has all of what is due to two: Jain's index is one half", () => {
    expect(fairness(record(1, [task("a", [run(0, 20)]), task("b", [wait(0, 20)])]))).toEqual({ jain: 0.5, lagMostTicks: 10 })
  })

  it("weights count: 30 to 10 ticks is just right at 3:1", () => {
    const a = task("a", [run(0, 30), wait(30, 40)], { weight: 300 })
    const b = task("b", [wait(0, 30), run(30, 40)])
    expect(fairness(record(1, [a, b])).jain).toBeCloseTo(1, 10)
  })

  it("nothing is owed to a sleeper", () => {
    expect(fairness(record(1, [task("a", [run(0, 20)]), task("b", [sleep(0, 20)])]))).toEqual({ jain: 1, lagMostTicks: 0 })
  })

  it("a heavy task is due no more than a CPU", () => {
    const heavy = task("heavy", [run(0, 10, 0)], { weight: 1000 })
    const light = task("light", [run(0, 10, 1)], { weight: 1 })
    expect(fairness(record(2, [heavy, light]))).toEqual({ jain: 1, lagMostTicks: 0 })
  })

  it("Jain's index by its definition", () => {
    expect(jainIndex([1, 1, 1, 1])).toBe(1)
    expect(jainIndex([1, 0, 0, 0])).toBe(0.25)
    expect(jainIndex([])).toBe(1)
  })
})

describe("idle beside work", () => {
  it("counts what could have been put to work, no more", () => {
    expect(couldRun([0, 1, 2], [{ affinity: [] }, { affinity: [] }])).toBe(2)
    expect(couldRun([0, 1], [{ affinity: [1] }, { affinity: [1] }])).toBe(1)
    expect(couldRun([0, 1], [{ affinity: [0, 1] }, { affinity: [0] }])).toBe(2)
    expect(couldRun([2], [{ affinity: [0, 1] }])).toBe(0)
  })

  it("a pinned task that waits for its busy CPU blames nobody", () => {
    const a = task("a", [run(0, 10, 0)], { affinity: [0] })
    const b = task("b", [wait(0, 10), run(10, 20, 0)], { affinity: [0] })
    expect(idleBesideWork(record(2, [a, b]), { boundTicks: 1 })).toMatchObject({ cpuTicks: 0, flagged: [] })
  })

  it("names the CPU, the stretch and a task; a stretch goes on while the tasks that wait change", () => {
    const a = task("a", [run(0, 30, 0)])
    const b = task("b", [wait(5, 20), run(20, 21, 0), wait(21, 30)])
    const c = task("c", [wait(10, 25), run(25, 30, 0)])
    const found = idleBesideWork(record(2, [a, b, c]), { boundTicks: 20 })
    expect(found).toMatchObject({ cpuTicks: 25, longestTicks: 25, flagged: [{ cpu: 1, from: 5, to: 30, task: "b" }] })
    expect(found.share).toBeCloseTo(25 / 60, 10)
  })

  it("a moment of idleness is counted but not flagged", () => {
    const b = task("b", [wait(0, 3), run(3, 9, 0)])
    expect(idleBesideWork(record(1, [b]), { boundTicks: 4 })).toMatchObject({ cpuTicks: 3, longestTicks: 3, flagged: [] })
  })
})

describe("placement", () => {
  it("tells moves between CPUs from moves between nodes, and warm and local ticks from the others", () => {
    const a = task("a", [run(0, 10, 0, 4), run(10, 20, 1, 0), run(20, 30, 2, 10), run(30, 40, 2, 10)])
    expect(placement(record(4, [a]))).toEqual({ migrations: { cpu: 2, node: 1 }, busyShare: 0.25, warmShare: 0.6, localShare: 0.5 })
  })
})

describe("all metrics", () => {
  it("of an empty record are numbers", () => {
    const empty = record(1, [], { energy: 0 })
    expect(JSON.stringify(metricsOf(empty))).not.toContain("null") // JSON's word for what is no number
    expect(metricsOf(empty)).toMatchObject({ makespanTicks: 0, throughput: 0, messagesPerSlice: 0, jain: 1 })
  })

  it("rates are per thousand ticks, messages per run on a CPU", () => {
    const a = task("a", [run(0, 100, 0), wait(100, 101), run(101, 200, 0)])
    const about = { messages: 8, decisionCycles: [100, 300], refusals: { STALE_TASK: 1 } }
    expect(metricsOf(record(1, [a], about))).toMatchObject({
      makespanTicks: 200,
      finishedTasks: 1,
      throughput: 5,
      decisionRate: 10,
      decision: { p50: 100, most: 300 },
      messagesPerSlice: 4,
      refusals: { STALE_TASK: 1 },
    })
  })
})

describe("a CPU that is off line", () => {
  // CPU 1 is away from 2 to 8; two tasks take turns on CPU 0, and a third may run on CPU 1 only.
  const tasks = [
    task("a", [run(0, 5), wait(5, 8), run(8, 10, 1)]),
    task("b", [wait(0, 5), run(5, 10)]),
    task("only-1", [wait(0, 8), run(8, 9, 1)], { affinity: [1], finishTick: null }),
  ]
  const offline = [{ cpu: 1, from: 2, to: 8 }]

  it("does not idle, beside whatever work", () => {
    const { cpuTicks, longestTicks } = idleBesideWork(record(2, tasks, { offline }), { boundTicks: 1 })
    expect({ cpuTicks, longestTicks }).toEqual({ cpuTicks: 2, longestTicks: 2 })
    expect(idleBesideWork(record(2, tasks), { boundTicks: 1 }).cpuTicks).toBe(8)
  })
  it("is no capacity of which anything is due to anybody", () => {
    const pair = [task("a", [run(0, 10)]), task("b", [wait(0, 10)], { finishTick: null })]
    expect(fairness(record(2, pair)).lagMostTicks).toBe(10)
    expect(fairness(record(2, pair, { offline: [{ cpu: 1, from: 0, to: 10 }] })).lagMostTicks).toBe(5)
  })
})
