/**
 * Runs a scenario under many seeds, and some of them twice: two runs of one seed must leave one fingerprint.
 *
 * The second run happens under a shifted wall clock and other chance, so that a machine which reads either is caught even
 * where both runs fall into one millisecond.
 */
import { SimulationFailure, thrownText } from "./simulation-failure.ts"
import type { World } from "./world.ts"

/** Builds a world for a seed, runs it to its end and returns it; throws where something is wrong. */
export type SeededScenario = (seed: number) => World

/** Runs `scenario` twice; throws where the two differ. Returns the first world. */
export function runTwice(scenario: SeededScenario, seed: number): World {
  const first = scenario(seed)
  const second = underOtherClocks(() => scenario(seed))
  if (first.fingerprint === second.fingerprint && first.steps === second.steps) return first
  const { replayCommand } = first.settings
  throw new SimulationFailure(
    `two runs of one seed differ (${first.fingerprint} and ${second.fingerprint}): ${firstDifference(first, second)}`,
    {
      seed,
      at: first.now,
      who: "world",
      trace: first.trace(20),
      replayCommand,
    },
  )
}

/** Runs the scenario for `count` seeds from `from`, one in `twiceEvery` twice. Throws at the first that fails, naming it. */
export function runSeeds(
  scenario: SeededScenario,
  options: { readonly from?: number; readonly count: number; readonly twiceEvery?: number },
): void {
  const { from = 1, count, twiceEvery = 10 } = options
  for (let seed = from; seed < from + count; seed++) {
    try {
      if ((seed - from) % twiceEvery === 0) runTwice(scenario, seed)
      else scenario(seed)
    } catch (thrown) {
      if (thrown instanceof SimulationFailure) throw thrown
      throw new Error(`seed ${seed}: ${thrownText(thrown)}`, { cause: thrown })
    }
  }
}

/** The seeds of a range that fail, with the first line of why: for planted bugs, which must be caught. */
export function failingSeeds(
  scenario: SeededScenario,
  options: { readonly from?: number; readonly count: number },
): ReadonlyMap<number, string> {
  const { from = 1, count } = options
  const failing = new Map<number, string>()
  for (let seed = from; seed < from + count; seed++) {
    try {
      scenario(seed)
    } catch (thrown) {
      failing.set(seed, thrownText(thrown).split("\n")[0] ?? "")
    }
  }
  return failing
}

/** A day and some: no clock drifts so far between two runs. */
const SHIFT_MS = 100_000_007

/** Calls `run` while the process's wall clock and chance give other values than they would. */
function underOtherClocks<T>(run: () => T): T {
  const { now } = Date
  const { random } = Math
  const performanceNow = performance.now.bind(performance)
  Date.now = () => now() + SHIFT_MS
  Math.random = () => (random() + 0.382) % 1
  performance.now = () => performanceNow() + SHIFT_MS
  try {
    return run()
  } finally {
    Date.now = now
    Math.random = random
    performance.now = performanceNow
  }
}

/** The first line in which the kept ends of the two traces differ. */
function firstDifference(first: World, second: World): string {
  const left = numbered(first)
  const right = numbered(second)
  for (const [line, text] of left) {
    const other = right.get(line)
    if (other !== undefined && other !== text) return `line ${line} is "${text}" and "${other}"`
  }
  return `${first.traceCount} and ${second.traceCount} lines; the kept ends agree, so raise traceLinesMax`
}

function numbered(world: World): Map<number, string> {
  const lines = world.trace()
  const before = world.traceCount - lines.length
  return new Map(lines.map((text, index) => [before + index + 1, text]))
}
