/** The seeds of CI, in four parts so that two cores share them evenly: `KV_SEEDS` in all (500), each sixty simulated seconds and at least twenty faults. */
import { assert } from "@backplane/foundation-base/assert"
import { runSeeds } from "@backplane/foundation-simulation/replay"
import { CYCLES_DEFAULT, faultsPlayed, runKvWorld } from "./kv-world.ts"

export const SEEDS = Number(process.env["KV_SEEDS"] ?? 500)
export const SEEDS_PATIENCE = 3_600_000
const FAULTS_MIN = 20
/** So many seeds run twice, with fingerprints. */
const TWICE_EVERY = 50

/** Throws at the first seed that breaks a promise, or had too little to bear. */
export function keepPromises({ from, count }: { readonly from: number; readonly count: number }): void {
  const scenario = (seed: number): ReturnType<typeof runKvWorld>["world"] => {
    const run = runKvWorld(seed, { fingerprint: (seed - from) % TWICE_EVERY === 0 ? "on" : "off" })
    const faults = faultsPlayed(run)
    assert(run.world.now >= CYCLES_DEFAULT && faults >= FAULTS_MIN, `seed ${seed} had ${faults} faults in ${run.world.now} cycles`)
    return run.world
  }
  runSeeds(scenario, { from, count, twiceEvery: TWICE_EVERY })
}

const PARTS = 4

/** The seeds of one of four files. */
export function partOf(index: number): {
  readonly from: number
  readonly count: number
} {
  const [first, end] = [index, index + 1].map((part) => Math.floor((SEEDS * part) / PARTS)) as [number, number]
  return { from: first + 1, count: end - first }
}
