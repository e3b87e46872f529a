import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CpuCache } from "./cpu-cache.ts"
import { runJob } from "./job-run.ts"

/** One tick at a time, as the text of the model has it: what `runJob` must come to, however it gets there. */
function naive(
  cache: CpuCache,
  job: { readonly name: string; readonly workingSet: number },
  options: {
    readonly left: number
    readonly part: number
    readonly budgetTicks: number
    readonly warmRate: number
    readonly speed: number
  },
): { left: number; part: number; ticks: number; warmTicks: number; finished: boolean } {
  let { left, part } = options
  let warmTicks = 0
  for (let ticks = 1; ticks <= options.budgetTicks; ticks++) {
    const rate = cache.isHot(job.name) ? options.warmRate : 1
    if (rate > 1) warmTicks++
    part += rate * options.speed
    left = Math.max(0, left - Math.floor(part / 1024))
    part = left === 0 ? 0 : part % 1024
    cache.ranTick(job.name, job.workingSet)
    if (left === 0) return { left, part, ticks, warmTicks, finished: true }
  }
  return { left, part, ticks: options.budgetTicks, warmTicks, finished: false }
}

const turns = fc.array(fc.record({ job: fc.integer({ min: 0, max: 4 }), budgetTicks: fc.integer({ min: 1, max: 30 }) }), { maxLength: 30 })
const machine = fc.record({
  size: fc.integer({ min: 0, max: 100 }),
  warmupTicks: fc.integer({ min: 0, max: 12 }),
  warmRate: fc.integer({ min: 1, max: 4 }),
  workingSets: fc.array(fc.integer({ min: 0, max: 80 }), { minLength: 5, maxLength: 5 }),
  speed: fc.oneof(fc.constant(1024), fc.integer({ min: 1, max: 1024 })),
  runs: fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 5, maxLength: 5 }),
})

describe("a job on a CPU", () => {
  it("gets as far in one go as tick by tick, whatever ran there before, and leaves the same cache", () => {
    fc.assert(
      fc.property(machine, turns, ({ size, warmupTicks, warmRate, workingSets, runs, speed }, schedule) => {
        const quick = new CpuCache({ size, warmupTicks })
        const slow = new CpuCache({ size, warmupTicks })
        const state = runs.map((run) => ({ left: run, part: 0 }))
        for (const { job, budgetTicks } of schedule) {
          const one = { name: String(job), workingSet: workingSets[job] as number }
          const options = { ...(state[job] as { left: number; part: number }), budgetTicks, warmRate, speed }
          for (const cache of [quick, slow]) cache.enter(one.name, one.workingSet)
          const outcome = runJob(quick, one, options)
          expect(outcome).toEqual(naive(slow, one, options))
          expect(quick.hotJobs()).toEqual(slow.hotJobs())
          state[job] = { left: outcome.left, part: outcome.part }
        }
      }),
      { numRuns: 200 },
    )
  })

  it("in two turns gets as far as in one, where nothing else ran between", () => {
    fc.assert(
      fc.property(machine, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (setting, first, second) => {
        const { size, warmupTicks, warmRate, workingSets, runs, speed } = setting
        const job = { name: "a", workingSet: workingSets[0] as number }
        const start = { left: runs[0] as number, warmRate, speed }
        const whole = new CpuCache({ size, warmupTicks })
        const parts = new CpuCache({ size, warmupTicks })
        for (const cache of [whole, parts]) cache.enter(job.name, job.workingSet)
        const once = runJob(whole, job, { ...start, budgetTicks: first + second })
        const before = runJob(parts, job, { ...start, budgetTicks: first })
        if (before.finished) {
          expect(once).toEqual(before)
          return
        }
        const after = runJob(parts, job, { left: before.left, part: before.part, warmRate, speed, budgetTicks: second })
        expect([once.left, once.part]).toEqual([after.left, after.part])
        expect(once.ticks).toBe(before.ticks + after.ticks)
        expect(once.warmTicks).toBe(before.warmTicks + after.warmTicks)
      }),
      { numRuns: 200 },
    )
  })

  it("planning on a copy of the cache leaves the cache as it was", () => {
    const cache = new CpuCache({ size: 100, warmupTicks: 2 })
    cache.enter("a", 50)
    runJob(cache.clone(), { name: "a", workingSet: 50 }, { left: 100, budgetTicks: 10, warmRate: 2 })
    expect(cache.isHot("a")).toBe(false)
  })
})

describe("the cache of a CPU", () => {
  it("never holds more than its size, and a set larger than it pushes itself out at once", () => {
    fc.assert(
      fc.property(machine, turns, ({ size, warmupTicks, workingSets }, schedule) => {
        const cache = new CpuCache({ size, warmupTicks })
        for (const { job, budgetTicks } of schedule) {
          cache.enter(String(job), workingSets[job] as number)
          for (let tick = 0; tick < budgetTicks; tick++) cache.ranTick(String(job), workingSets[job] as number)
          const used = cache.hotJobs().reduce((sum, name) => sum + (workingSets[Number(name)] as number), 0)
          expect(used).toBeLessThanOrEqual(size)
          if ((workingSets[job] as number) > size) expect(cache.isHot(String(job))).toBe(false)
        }
      }),
      { numRuns: 100 },
    )
  })

  it("pushes out what was warmed first, not what was used least lately, and lets it warm anew from the start", () => {
    const cache = new CpuCache({ size: 100, warmupTicks: 1 })
    for (const job of ["a", "b"]) {
      cache.enter(job, 50)
      cache.ranTick(job, 50)
    }
    cache.enter("a", 50) // used again: it stays the oldest
    cache.enter("c", 50)
    cache.ranTick("c", 50)
    expect(cache.hotJobs()).toEqual(["c", "b"])
    cache.enter("a", 50)
    expect(cache.isHot("a")).toBe(false)
    cache.ranTick("a", 50)
    expect(cache.hotJobs()).toEqual(["a", "c"])
  })
})
