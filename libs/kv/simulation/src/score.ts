/**
 * `node libs/kv/simulation/src/score.ts [--seeds N] [--bug TEXT]`: plants each bug in turn and hunts it with at most N seeds (200). Prints who was
 * caught, by which seed and which checker, and the share; ends with 1 below 95 %.
 */
import { thrownText } from "@backplane/foundation-simulation/simulation-failure"
import { runKvWorld } from "./kv-world.ts"
import { wholeNumberOption, wordOption } from "./options.ts"
import { PLANTED_BUGS, type PlantedBug } from "./planted-bugs.ts"

export interface Catch {
  readonly seed: number
  readonly why: string
}

/** The first seed that catches the bug, or null. */
export function hunt(bug: PlantedBug, seeds: number): Catch | null {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      bug.directed?.(bug.hunt.rules ?? {}, seed)
      runKvWorld(seed, { ...bug.hunt, fingerprint: "off" })
    } catch (thrown) {
      return { seed, why: thrownText(thrown).split("\n")[0] ?? "" }
    }
  }
  return null
}

function main(args: readonly string[]): number {
  const seeds = wholeNumberOption(args, "--seeds", 200)
  const name = wordOption(args, "--bug") ?? ""
  const bugs = PLANTED_BUGS.filter((bug) => bug.name.includes(name))
  let caught = 0
  for (const bug of bugs) {
    const found = hunt(bug, seeds)
    if (found !== null) caught++
    console.log(found === null ? `MISSED  ${bug.name} (${seeds} seeds)` : `caught  ${bug.name}: seed ${found.seed}: ${found.why}`)
  }
  console.log(`${caught} of ${bugs.length} planted bugs caught within ${seeds} seeds each`)
  return caught >= bugs.length * 0.95 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
