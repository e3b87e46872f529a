/**
 * `node libs/kv/simulation/src/main.ts [--from N] [--count N] [--cycles N] [--pairs]`: seeds of faults, with what they took. Ends with 1 where one failed.
 * `--pairs`: instead of what the seeds draw each class of fault alone, and each two of them, a seed each.
 */
import { FAULT_CLASSES, type FaultClass } from "./kv-faults.ts"
import { runKvWorld, CYCLES_DEFAULT } from "./kv-world.ts"
import { wholeNumberOption } from "./options.ts"

function main(args: readonly string[]): number {
  const from = wholeNumberOption(args, "--from", 1)
  const sets = args.includes("--pairs") ? aloneAndInPairs() : null
  const count = sets?.length ?? wholeNumberOption(args, "--count", 20)
  const cycles = wholeNumberOption(args, "--cycles", CYCLES_DEFAULT)
  const began = performance.now()
  let steps = 0
  let failed = 0
  for (let seed = from; seed < from + count; seed++) {
    try {
      const classes = sets?.[seed - from]
      const run = runKvWorld(seed, classes === undefined ? { cycles } : { cycles, classes })
      steps += run.world.steps
      console.log(
        `seed ${seed} ok: ${run.history.length} requests, ${run.world.steps} steps, ${run.world.fingerprint}, faults: ${[...run.faults.classes].join(" ")}`,
      )
    } catch (thrown) {
      console.error(thrown instanceof Error ? thrown.message : String(thrown))
      failed++
    }
  }
  console.log(`${count} seeds, ${failed} failed, ${steps} steps, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return failed === 0 ? 0 : 1
}

function aloneAndInPairs(): readonly ReadonlySet<FaultClass>[] {
  return FAULT_CLASSES.flatMap((one, index) => [new Set([one]), ...FAULT_CLASSES.slice(index + 1).map((other) => new Set([one, other]))])
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
