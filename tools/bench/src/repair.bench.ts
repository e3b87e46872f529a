/**
 * Anti-entropy by Merkle trees: two replicas of which one key in a hundred differs, against sending everything; and two that are equal.
 *
 * The machines alone, in one process, every message through JSON: what is measured is what a repair says and computes, not a network. 100,000 keys of
 * 1 KiB; `BACKPLANE_BENCH_KEYS=1000000` is the size and takes some gigabytes. The limit of bytes is of that size, where more of the keys
 * that differ share a path through the tree; fewer keys keep it too.
 */
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { median } from "./rounds.ts"

/** A program of the simulator, which tools do not import. */
const PROGRAM = join(import.meta.dirname, "../../../libs/kv/simulation/src/anti-entropy-cost.ts")
const KEYS = 100_000
const VALUE_BYTES = 1024
const APART_SHARE = 100

interface Cost {
  readonly divergentBytes: number
  readonly bytes: number
  readonly ratio: number
  readonly seconds: number
  readonly equalExchangeBytes: number
}

function costOf(keys: number, apart: number): Cost {
  const args = ["--keys", String(keys), "--apart", String(apart), "--bytes", String(VALUE_BYTES)]
  return JSON.parse(execFileSync(process.execPath, [PROGRAM, ...args], { encoding: "utf8" })) as Cost
}

function run(options: BenchOptions): Promise<readonly Figure[]> {
  const keys = Number(process.env["BACKPLANE_BENCH_KEYS"] ?? KEYS)
  const apart = Math.floor(keys / APART_SHARE)
  const costs = Array.from({ length: options.rounds }, (_, round) => {
    const cost = costOf(keys, apart)
    options.progress(
      `round ${round + 1}: ${apart} of ${keys} keys repaired in ${cost.seconds.toFixed(2)} s with ${cost.ratio.toFixed(2)} times their bytes; equal replicas: ${cost.equalExchangeBytes} bytes`,
    )
    return cost
  })
  const figure = (name: string, unit: string, pick: (cost: Cost) => number, baseline: Figure["baseline"]): Figure => {
    const rounds = costs.map(pick)
    return { name, unit, better: "lower", value: median(rounds), baseline, rounds }
  }
  const everything = median(costs.map((cost) => (cost.divergentBytes / apart) * keys))
  return Promise.resolve([
    figure("repair_seconds", "s", ({ seconds }) => seconds, { name: "the issue's limit", value: 10 }),
    figure("repair_bytes_ratio", "", ({ ratio }) => ratio, { name: "the issue's limit, of the divergent keys' bytes", value: 2 }),
    figure("repair_bytes", "B", ({ bytes }) => bytes, { name: "sending everything", value: everything }),
    figure("equal_exchange_bytes", "B", ({ equalExchangeBytes }) => equalExchangeBytes, { name: "the issue's limit", value: 4096 }),
  ])
}

export const bench: Bench = {
  name: "repair",
  summary: "what anti-entropy costs: seconds and bytes until two replicas are equal, against sending everything",
  run,
}
