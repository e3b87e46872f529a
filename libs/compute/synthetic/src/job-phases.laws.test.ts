import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { ChannelLevel } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import type { PhaseSpec } from "@backplane/scenario-machine/phase-spec"
import { CpuCache } from "./cpu-cache.ts"
import { SyntheticEngine } from "./synthetic-engine.ts"

const phases: fc.Arbitrary<PhaseSpec[]> = fc.array(
  fc.oneof(
    fc.record({ run: fc.integer({ min: 1, max: 9 }), sleep: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ run: fc.integer({ min: 1, max: 9 }), yield: fc.constant(true as const) }),
    fc.record({ run: fc.integer({ min: 1, max: 9 }), signal: fc.constantFrom("a", "b") }),
    fc.record({ run: fc.integer({ min: 1, max: 9 }), await: fc.constantFrom("a", "b"), count: fc.integer({ min: 1, max: 3 }) }),
  ),
  { minLength: 1, maxLength: 6 },
)

const spec = (run: number, list: PhaseSpec[]): TaskSpec => ({
  task: "t",
  attempt: 1,
  ordinal: 0,
  run,
  workingSet: 10,
  affinity: [],
  phases: list,
})

/** What a job does, in words, by going through its phases one unit at a time. */
function told(run: number, list: readonly PhaseSpec[]): readonly string[] {
  const lines: string[] = []
  const signals = { a: 0, b: 0 }
  const awaits = { a: 0, b: 0 }
  for (let done = 0, at = 0; done < run; at = (at + 1) % list.length) {
    const phase = list[at] as PhaseSpec
    const work = Math.min(phase.run, run - done)
    done += work
    const ends = done === run
    if (work === phase.run && phase.signal !== undefined) lines.push(`signal ${phase.signal} ${++signals[phase.signal as "a"]}`)
    if (ends) break
    if (phase.sleep !== undefined) lines.push(`sleep ${phase.sleep}`)
    if (phase.yield === true) lines.push("yield")
    if (phase.await !== undefined) lines.push(`await ${phase.await} ${(awaits[phase.await as "a"] += phase.count ?? 1)}`)
  }
  return [...lines, "end"]
}

/** The same by the engine, in slices of `budgetTicks`, on a CPU that may be warm; moved to another node between any two slices. */
function ran(run: number, list: PhaseSpec[], options: { readonly budgetTicks: number; readonly warmRate: number }): readonly string[] {
  const engine = new SyntheticEngine({ warmRate: options.warmRate })
  const cache = new CpuCache({ size: 100, warmupTicks: 3 })
  cache.enter("t", 10)
  const lines: string[] = []
  let task = engine.open(spec(run, list), null)
  for (let tick = 0; tick < 10_000;) {
    const slice = { cache, fromTick: tick, budgetTicks: options.budgetTicks }
    const planned = task.plan(slice)
    const { ticks, finished, pause, signals = [] } = task.run(slice)
    expect(ticks).toBe(planned)
    tick += ticks
    lines.push(...signals.map(({ channel, level }: ChannelLevel) => `signal ${channel} ${level}`))
    if (pause?.kind === "blocked" && pause.wakeTick !== null) lines.push(`sleep ${pause.wakeTick - tick}`)
    if (pause?.kind === "blocked" && pause.awaits !== undefined) lines.push(`await ${pause.awaits.channel} ${pause.awaits.level}`)
    if (pause?.kind === "yield") lines.push("yield")
    if (finished) return [...lines, "end"]
    task = engine.open(spec(run, list), task.progress())
  }
  return [...lines, "never"]
}

describe("a job of phases", () => {
  it("does what its phases say in their order, however it is cut into slices, wherever it runs, warm or cold", () => {
    fc.assert(
      fc.property(
        phases,
        fc.integer({ min: 1, max: 120 }),
        fc.record({ budgetTicks: fc.integer({ min: 1, max: 20 }), warmRate: fc.integer({ min: 1, max: 4 }) }),
        (list, run, options) => {
          expect(ran(run, list, options)).toEqual(told(run, list))
        },
      ),
      { numRuns: 300 },
    )
  })
})
