/**
 * `node libs/kv/simulation/src/hunting-grounds.ts [--seeds N]`: every hunt of the planted bugs with the sound rules: nothing may be found. A hunt that
 * catches the sound store would catch any bug, and say nothing.
 */
import { thrownText } from "@backplane/foundation-simulation/simulation-failure"
import { runKvWorld } from "./kv-world.ts"
import { wholeNumberOption } from "./options.ts"
import { PLANTED_BUGS } from "./planted-bugs.ts"

function main(args: readonly string[]): number {
  const seeds = wholeNumberOption(args, "--seeds", 10)
  let failed = 0
  for (const { name, hunt, directed } of PLANTED_BUGS) {
    const { rules: _rules, diskBugs: _diskBugs, ...sound } = hunt
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        directed?.({}, seed)
        runKvWorld(seed, { ...sound, fingerprint: "off" })
      } catch (thrown) {
        failed++
        console.error(`${name}: seed ${seed}: ${thrownText(thrown).split("\n")[0] ?? ""}`)
      }
    }
  }
  console.log(`${PLANTED_BUGS.length} hunts, ${seeds} seeds each, without a bug: ${failed} failed`)
  return failed === 0 ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
