/**
 * The store against etcd (three members), NATS JetStream KV (three replicas) and Redis (one process, synced), side by side, round by round.
 *
 * 64 callers with one request under way each, over one connection and over one each; half or one in twenty of the requests write; values of 100
 * bytes and 1 KiB; 2,000 keys. Ours is durable on W = 2 of three replicas and reads R = 2; etcd reads are linearizable; JetStream's are of any
 * replica. What is not installed is left out, and its ratios with it. `BACKPLANE_BENCH_CELLS` narrows the cells by a part of their name,
 * `BACKPLANE_BENCH_STORES` the stores; `BACKPLANE_BENCH_CELL_MS` is how long a cell is measured. Each store first works for WARM_MILLISECONDS uncounted:
 * stores run for days, and ours (like any program of V8) is compiled while it runs, for some fifteen seconds of load.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { backplaneStore } from "./kv/backplane-store.ts"
import { etcdStore } from "./kv/etcd-store.ts"
import { jetstreamStore } from "./kv/jetstream-store.ts"
import { cellName, CELLS, measure, type Cell, type Measured } from "./kv/load.ts"
import { redisStore } from "./kv/redis-store.ts"
import type { RunningStore, StoreUnderTest } from "./kv/store-under-test.ts"
import { median } from "./rounds.ts"

const STORES: readonly StoreUnderTest[] = [backplaneStore, etcdStore, jetstreamStore, redisStore]
const WARM_MILLISECONDS = 15_000
const CELL_MILLISECONDS = Number(process.env["BACKPLANE_BENCH_CELL_MS"] ?? 1_500)

type Rounds = Map<string, Measured[]>

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), "backplane-kv-bench-"))
  const only = process.env["BACKPLANE_BENCH_CELLS"] ?? ""
  const named = process.env["BACKPLANE_BENCH_STORES"]?.split(",") ?? STORES.map(({ name }) => name)
  const cells = CELLS.filter((cell) => cellName(cell).includes(only))
  const running = new Map<StoreUnderTest["name"], RunningStore>()
  const rounds: Rounds = new Map()
  try {
    for (const store of STORES.filter(({ name }) => named.includes(name))) {
      const started = await store.start(join(folder, store.name))
      if (started === null) options.progress(`${store.name} is not installed: left out`)
      else running.set(store.name, started)
    }
    for (const store of running.values())
      for (const connections of new Set(cells.map((cell) => cell.connections)))
        await measure(store, { connections, reads: 50, bytes: 100 }, { milliseconds: WARM_MILLISECONDS / 2, seed: -1 })
    for (let round = 0; round < options.rounds; round++)
      for (const cell of cells)
        for (const [name, store] of running) {
          const measured = await measure(store, cell, { milliseconds: CELL_MILLISECONDS, seed: round })
          const key = `${name} ${cellName(cell)}`
          rounds.set(key, [...(rounds.get(key) ?? []), measured])
          options.progress(line(round, name, cell, measured))
        }
  } finally {
    for (const store of running.values()) await store.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return cells.flatMap((cell) => figuresOf(cell, rounds, [...running.keys()]))
}

function line(
  round: number,
  name: string,
  cell: Cell,
  { opsPerSecond, p50Milliseconds, p99Milliseconds, cpuMicrosecondsPerOp }: Measured,
): string {
  const times = `p50 ${p50Milliseconds.toFixed(1)} ms, p99 ${p99Milliseconds.toFixed(1)} ms`
  return `round ${round + 1}: ${cellName(cell).padEnd(18)} ${name.padEnd(10)} ${opsPerSecond.toFixed(0).padStart(7)} ops/s, ${times}, ${cpuMicrosecondsPerOp.toFixed(0)} µs CPU an operation`
}

/** Ours beside the first peer that ran; then a ratio for each peer. */
function figuresOf(cell: Cell, rounds: Rounds, names: readonly StoreUnderTest["name"][]): Figure[] {
  const name = cellName(cell)
  const of = (store: string, pick: (measured: Measured) => number): number[] => (rounds.get(`${store} ${name}`) ?? []).map(pick)
  const peers = names.filter((each) => each !== "backplane")
  const [first] = peers
  const beside = (figure: string, unit: string, better: "lower" | "higher", pick: (measured: Measured) => number): Figure => ({
    name: `${figure}.${name}`,
    unit,
    better,
    value: median(of("backplane", pick)),
    baseline: { name: first ?? "none", value: first === undefined ? 0 : median(of(first, pick)) },
    rounds: of("backplane", pick),
  })
  const speed = (measured: Measured): number => measured.opsPerSecond
  const ratios = peers.map((peer): Figure => {
    const each = of("backplane", speed).map((ours, round) => ours / (of(peer, speed)[round] ?? Number.NaN))
    const baseline = { name: `${peer} ops/s`, value: median(of(peer, speed)) }
    return { name: `${peer}_ratio.${name}`, unit: "", better: "higher", value: median(each), baseline, rounds: each }
  })
  return [
    beside("ops_per_second", "1/s", "higher", speed),
    beside("p50_ms", "ms", "lower", ({ p50Milliseconds }) => p50Milliseconds),
    beside("p99_ms", "ms", "lower", ({ p99Milliseconds }) => p99Milliseconds),
    beside("cpu_us_per_op", "us", "lower", ({ cpuMicrosecondsPerOp }) => cpuMicrosecondsPerOp),
    ...ratios,
  ]
}

export const bench: Bench = {
  name: "kv",
  summary: "the replicated store against etcd, NATS JetStream KV and Redis: operations a second, latency, CPU an operation",
  run,
}
