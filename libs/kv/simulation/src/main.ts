/**
 * `node libs/kv/simulation/src/main.ts [--from N] [--count N] [--cycles N] [--pairs] [--jobs N]`: seeds of faults, with what they took. Ends with 1 where
 * one failed. `--pairs`: instead of what the seeds draw each class of fault alone, and each two of them, a seed each. `--jobs`: processes that share them.
 */
import { FAULT_CLASSES, type FaultClass } from "./kv-faults.ts"
import { runKvWorld, CYCLES_DEFAULT } from "./kv-world.ts"
import { wholeNumberOption } from "./options.ts"
import { inJobs, ownShare, tell, type Tally } from "./seed-jobs.ts"

async function main(args: readonly string[]): Promise<number> {
  const from = wholeNumberOption(args, "--from", 1)
  const sets = args.includes("--pairs") ? aloneAndInPairs() : null
  const count = sets?.length ?? wholeNumberOption(args, "--count", 20)
  const cycles = wholeNumberOption(args, "--cycles", CYCLES_DEFAULT)
  const jobs = Math.min(Math.max(1, wholeNumberOption(args, "--jobs", 1)), count)
  const share = ownShare(args)
  const began = performance.now()
  if (jobs > 1 && share === null) {
    const { failed, steps } = await inJobs(import.meta.filename, args, jobs)
    return summed({ count, failed, steps, began })
  }
  const parent = process.ppid
  let [steps, failed] = [0, 0]
  for (let seed = from; seed < from + count; seed++) {
    if (share !== null && (seed - from) % share.of !== share.job) continue
    // Nobody waits for it any more, and its loop hears no signal that is not there.
    if (share !== null && process.ppid !== parent) return 1
    const classes = sets?.[seed - from]
    const taken = runSeed(seed, classes === undefined ? { cycles } : { cycles, classes })
    if (taken === null) failed++
    else steps += taken
  }
  if (share === null) return summed({ count, failed, steps, began })
  tell({ failed, steps })
  return failed === 0 ? 0 : 1
}

/** Its steps; null: it failed, and why was said. */
function runSeed(seed: number, options: { readonly cycles: number; readonly classes?: ReadonlySet<FaultClass> }): number | null {
  try {
    const run = runKvWorld(seed, options)
    console.log(
      `seed ${seed} ok: ${run.history.length} requests, ${run.world.steps} steps, ${run.world.fingerprint}, faults: ${[...run.faults.classes].join(" ")}`,
    )
    return run.world.steps
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : String(thrown))
    return null
  }
}

function summed({ count, failed, steps, began }: Tally & { readonly count: number; readonly began: number }): number {
  console.log(`${count} seeds, ${failed} failed, ${steps} steps, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return failed === 0 ? 0 : 1
}

function aloneAndInPairs(): readonly ReadonlySet<FaultClass>[] {
  return FAULT_CLASSES.flatMap((one, index) => [new Set([one]), ...FAULT_CLASSES.slice(index + 1).map((other) => new Set([one, other]))])
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
