import { Random } from "@backplane/foundation-base/random"
import { OSTEP_SHAPE, WORKLOADS } from "@backplane/scenario-workloads/workloads"
import { ostepSets } from "@backplane/scenario-workloads/batch"
import type { Workload } from "@backplane/scenario-workloads/workload"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { COLUMNS, columnOf } from "./columns.ts"
import { contenderOf, FALLBACK } from "./contender.ts"
import { liveBoard, type LiveOutcome } from "./live-board.ts"
import { measuredRun } from "./measured-run.ts"
import { boardOf, specFor } from "./scoreboard.ts"
import { bestOf, tableOf } from "./scoreboard-table.ts"
import { workloadOf } from "./workload-of.ts"

const SETS = 3

describe("a measured run", () => {
  it.each(["sqms", "mqms-warm", "cfs", "numa"] as const)("%s: events say what the nodes' own books say", (policy) => {
    for (let set = 0; set < SETS; set++) {
      const random = new Random(set).fork("measured")
      const spec = resolveMachineSpec({
        seed: set,
        topology: { cpus: 4, nodes: 2 },
        schedule: { policy },
        jobs: Array.from({ length: 10 }, (_, index) => ({
          name: `t${index}`,
          run: random.between(1, 80),
          workingSet: random.between(0, 60),
          arrival: random.chance(0.3) ? random.below(60) : 0,
        })),
      })
      const { metrics, result, record } = measuredRun(spec)
      expect(metrics.makespanTicks).toBe(result.finish)
      expect(Object.fromEntries(record.tasks.map(({ name, finishTick }) => [name, finishTick]))).toEqual(result.jobs)
      expect(metrics.migrations.cpu).toBe(result.migrations)
      const busy = result.schedule.flat().reduce((sum, [from, to, job]) => sum + (job === null ? 0 : to - from), 0)
      expect(metrics.busyShare).toBeCloseTo(busy / (4 * result.finish), 10)
      const warm = result.warmRuns.flat().reduce((sum, [from, to]) => sum + to - from, 0)
      expect(metrics.warmShare).toBeCloseTo(warm / busy, 10)
    }
  })

  it("every task is in one stay at a time from its coming to its end, and runs on one CPU that runs nothing else", () => {
    const workload = WORKLOADS.find(({ name }) => name === "bimodal") as Workload
    const drawn = workload.draw(new Random(1).fork("bimodal"), 1)
    const { record } = measuredRun(resolveMachineSpec({ ...drawn, schedule: { policy: "mqms-warm" } }))
    const taken = new Set<string>()
    for (const { stays, finishTick } of record.tasks) {
      for (const [index, stay] of stays.entries()) {
        expect(stay.to).toBeGreaterThan(stay.from)
        if (index > 0) expect(stay.from).toBe(stays[index - 1]?.to)
        if (stay.state !== "running") continue
        for (let tick = stay.from; tick < stay.to; tick++) {
          expect(taken.has(`${stay.cpu} ${tick}`)).toBe(false)
          taken.add(`${stay.cpu} ${tick}`)
        }
      }
      expect(stays.at(-1)?.to).toBe(finishTick)
    }
  })
})

it("on the hot-plug storm CPUs are away, and nothing is looked for on their behalf", () => {
  const workload = workloadOf("hot-plug")
  for (const policy of ["mqms-steal", "mqms-warm", "rr"]) {
    const { record, metrics } = measuredRun(specFor(workload, contenderOf(policy), 1))
    expect(new Set(record.offline?.map(({ cpu }) => cpu)).size).toBeGreaterThan(2)
    expect(metrics.refusals).toEqual({})
    expect(metrics.finishedTasks).toBe(18)
  }
})

describe("contenders", () => {
  it("are read from their names", () => {
    expect(contenderOf("mqms-steal@5/ostep")).toMatchObject({ policy: "mqms-steal", peekTicks: 5, isOstep: true, isSilent: false })
    expect(contenderOf("eevdf")).toMatchObject({ policy: "eevdf", peekTicks: null, isOstep: false })
    expect(contenderOf("fallback")).toBe(FALLBACK)
    expect(() => contenderOf("cfq")).toThrow(/no policy cfq; there are sqms,/)
    expect(() => contenderOf("cfs/ostep")).toThrow(/not part of the OSTEP model/)
  })
})

describe("a board", () => {
  const small = ostepSets({ ...OSTEP_SHAPE, jobs: 6, cpus: 2 })
  const contenders = ["fallback", "sqms", "mqms"].map(contenderOf)

  it("is the same every time", () => {
    expect(boardOf(small, contenders, { sets: SETS })).toEqual(boardOf(small, contenders, { sets: SETS }))
  })

  it("has the machine without schedulers beside it: it does all the work, by what its nodes have built in", () => {
    const [fallback, sqms] = boardOf(small, contenders, { sets: SETS }).scores
    expect(fallback?.failures.sets).toBe(0)
    expect(fallback?.figures["bypasses"]?.median).toBeGreaterThan(0)
    expect(sqms?.figures["bypasses"]?.median).toBe(0)
    expect(fallback?.figures["makespan"]?.median).toBeGreaterThan(sqms?.figures["makespan"]?.median ?? Infinity)
  })

  it("says which sets had no end, and marks no best among them", () => {
    const endless: Workload = { ...small, draw: () => ({ ...small.draw(new Random(1), 1), maxTicks: 50 }) }
    const board = boardOf(endless, contenders.slice(1), { sets: 2 })
    expect(board.scores.map(({ failures }) => failures.sets)).toEqual([2, 2])
    expect(tableOf(board)).toContain("sqms: 2 sets had no end; set 0: ")
  })

  it("as a table: a row a contender, the best marked, unknown columns refused", () => {
    const board = boardOf(small, contenders, { sets: SETS })
    const table = tableOf(board, ["makespan", "jain"])
    expect(
      table
        .split("\n")
        .slice(2, 5)
        .map((line) => line.split(" ")[0]),
    ).toEqual(["fallback", "sqms", "mqms"])
    expect(table).toContain("* ")
    expect(bestOf(columnOf("makespan"), board.scores)).toBe(
      Math.min(...board.scores.map(({ figures }) => figures["makespan"]?.median ?? Infinity)),
    )
    expect(() => columnOf("speed")).toThrow(/no column speed; there are makespan,/)
  })
})

describe("a live board", () => {
  const outcome = (set: number): LiveOutcome => ({
    workload: "imbalance",
    contender: "rr",
    set,
    spec: specFor(workloadOf("imbalance"), contenderOf("rr"), set, { mode: "free" }),
  })

  it("adds up what machines came to, and has the simulated run of the same sets beneath", () => {
    const { spec } = outcome(0)
    const jobs = Object.fromEntries(spec.jobs.map(({ name }, index) => [name, 100 + index]))
    const result = { ...{ jobs, migrations: 7, schedule: [], warmRuns: [], lost: [], restarts: 0, fingerprint: "" } }
    const cpus = [40, 60].map((utilization) => ({ utilization, warm: 0 }))
    const { scores, sets } = liveBoard([{ ...outcome(0), result: { ...result, finish: 400, cpus } }])
    expect([sets, ...scores.map(({ contender }) => contender)]).toEqual([1, "rr", "rr, simulated"])
    expect(scores[0]?.figures).toMatchObject({ makespan: { median: 400 }, busy: { median: 50 }, migrations: { median: 7 } })
    const [simulated] = boardOf(workloadOf("imbalance"), [contenderOf("rr")], { sets: 1 }).scores
    expect(scores[1]?.figures["makespan"]).toEqual(simulated?.figures["makespan"])
  })

  it("marks the best of the live runs, whatever the simulated ones came to", () => {
    const result = { jobs: {}, schedule: [], warmRuns: [], lost: [], restarts: 0, fingerprint: "", cpus: [{ utilization: 50, warm: 0 }] }
    const ended = (contender: string, finish: number): LiveOutcome => ({
      ...outcome(0),
      contender,
      result: { ...result, migrations: 1, finish },
    })
    const rows = tableOf(liveBoard([ended("rr", 2000), ended("mqms", 3000)]), ["makespan"])
      .split("\n")
      .slice(2)
    expect(rows.filter((row) => row.includes("*"))).toEqual([expect.stringMatching(/^rr +\* 2000/)])
  })

  it("says what had no end", () => {
    const [score] = liveBoard([{ ...outcome(3), failure: "gone" }]).scores
    expect(score?.failures).toEqual({ sets: 1, first: "set 3: gone" })
  })
})

it("every workload names columns that exist", () => {
  for (const { columns } of WORKLOADS) for (const column of columns) expect(COLUMNS.map(({ name }) => name)).toContain(column)
})
