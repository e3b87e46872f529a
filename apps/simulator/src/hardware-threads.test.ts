/** Cores of several threads, far memory and waiting without sleep in a whole machine: finish ticks worked out by hand. */
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineInput } from "@backplane/scenario-machine/resolve"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { describe, expect, it } from "vitest"
import { measuredRun } from "./scoreboard/measured-run.ts"

const PLAIN = { size: 100, warmupTicks: 0, warmRate: 1 }

function finishOf(input: MachineInput): Readonly<Record<string, number | null>> {
  return measuredRun(resolveMachineSpec({ cache: PLAIN, schedule: { policy: "sqms", sliceTicks: 10 }, ...input })).result.jobs
}

type Job = NonNullable<MachineInput["jobs"]>[number]
const job = (name: string, run: number, more: Partial<Job> = {}): Job => ({ name, run, workingSet: 0, ...more })

describe("SMT", () => {
  const smt = { cpus: 2, threadsPerCore: 2 }

  it("two tasks that never wait for memory share a core: together they take as long as one after the other", () => {
    expect(finishOf({ topology: smt, jobs: [job("a", 100), job("b", 100)] })).toEqual({ a: 200, b: 200 })
  })

  it("at one half of waiting both go at 819 of 1024; when one is done the other has the core to itself", () => {
    const jobs = [job("a", 40, { stall: 500 }), job("b", 100, { stall: 500 })]
    // a: 40 * 1024 / 819 = 50.01 → 51 ticks; by then b has done 51 * 819 / 1024 = 40.79, and needs 59.21 → 60 more.
    expect(finishOf({ topology: smt, jobs })).toEqual({ a: 51, b: 111 })
  })

  it("nothing is lost by parts: however often the neighbour comes and goes, the work takes as long", () => {
    const jobs = [job("a", 200), job("b", 20, { phases: [{ run: 1, sleep: 1 }] })]
    // b needs 2 ticks of a shared core for each of its 20 units and sleeps 1 after each but the last: a is slowed to half for 40 ticks.
    expect(finishOf({ topology: smt, jobs })).toMatchObject({ a: 220, b: 59 })
  })

  it("one address space warms the core once, strangers twice; and sets that fit alone push each other out", () => {
    const cache = { size: 100, warmupTicks: 10, warmRate: 2 }
    const pair = (space?: string): Job[] =>
      ["a", "b"].map((name) => job(name, 200, { workingSet: 80, stall: 999, ...(space && { space }) }))
    const relatives = finishOf({ topology: smt, cache, jobs: pair("vm") })
    const strangers = finishOf({ topology: smt, cache, jobs: pair() })
    expect(relatives["a"]).toBeLessThan(120)
    expect(strangers["a"]).toBeGreaterThan(150)
  })

  it("a core lies on one node whole", () => {
    expect(() => resolveMachineSpec({ topology: { cpus: 6, nodes: 2, threadsPerCore: 2 } })).toThrow(Rejection)
    expect(() => resolveMachineSpec({ topology: { cpus: 8, nodes: 2, threadsPerCore: 2 } })).not.toThrow()
  })
})

describe("far memory", () => {
  it("a task that waits half of its time takes twice as long where memory is three times as far, and runs as before at home", () => {
    const topology = { nodes: 2, cpus: 2, remotePercent: 300 }
    // Dealt to nodes in turn: a lies on node 0 and may run on node 1 only.
    const jobs = [job("a", 100, { stall: 500, affinity: [1] }), job("b", 10, { affinity: [1] })]
    const { a = 0 } = finishOf({ topology, jobs })
    expect(a).toBe(210)
  })
})

describe("waiting without sleep", () => {
  const barrier = (name: string, rounds: number): Job =>
    job(name, 11 * rounds, {
      phases: [
        { run: 10, signal: "gate" },
        { run: 1, await: "gate", count: 2, spin: true },
      ],
    })

  it("who runs beside the others loses nothing", () => {
    expect(finishOf({ topology: { cpus: 2 }, jobs: [barrier("a", 4), barrier("b", 4)] })).toEqual({ a: 44, b: 44 })
  })

  it("on one CPU a slice spent looking is lost: it is used, and nothing is done", () => {
    const { metrics, result } = measuredRun(
      resolveMachineSpec({
        topology: { cpus: 1 },
        cache: PLAIN,
        schedule: { policy: "rr", sliceTicks: 20 },
        jobs: [barrier("a", 2), barrier("b", 2)],
      }),
    )
    expect(metrics.busyShare).toBe(1)
    expect(result.finish).toBeGreaterThan(44)
  })

  it("goes on in the tick in which the other says it", () => {
    const waiter = job("w", 2, {
      phases: [
        { run: 1, await: "gate", spin: true },
        { run: 1, yield: true },
      ],
    })
    const teller = job("t", 25, { phases: [{ run: 25, signal: "gate" }] })
    expect(finishOf({ topology: { cpus: 2 }, schedule: { policy: "sqms", sliceTicks: 100 }, jobs: [waiter, teller] })).toEqual({
      w: 26,
      t: 25,
    })
  })
})

describe("gangs", () => {
  const member = (vm: string, index: number, rounds: number): Job =>
    job(`${vm}-${index}`, 11 * rounds, {
      gang: { name: vm, size: 4 },
      phases: [
        { run: 10, signal: `${vm}-gate` },
        { run: 1, await: `${vm}-gate`, count: 4, spin: true },
      ],
    })

  it("start all or none: in every tick all four members run, or none", () => {
    const { record } = measuredRun(
      resolveMachineSpec({
        topology: { cpus: 4 },
        cache: PLAIN,
        schedule: { policy: "gang", sliceTicks: 20 },
        jobs: [...[0, 1, 2, 3].map((index) => member("vm", index, 20)), ...[0, 1, 2, 3].map((index) => job(`hog-${index}`, 200))],
      }),
    )
    const vm = record.tasks.filter(({ name }) => name.startsWith("vm"))
    const last = Math.min(...vm.map(({ finishTick }) => finishTick ?? 0))
    for (let tick = 0; tick < last; tick++) {
      const running = vm.filter(({ stays }) => stays.some((stay) => stay.state === "running" && stay.from <= tick && tick < stay.to))
      expect([0, 4], `tick ${tick}`).toContain(running.length)
    }
  })
})
