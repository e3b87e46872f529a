/**
 * Map and reduce where the data lies against fetching it all: the sum of the lengths of all values of a bucket, on three shards of their own.
 *
 * Once with functions of the store's own, by name, and once with functions given as text, which run in a thread beside each replica. Each way is gone
 * once uncounted: stores run for days, and threads stand ready from the first job on. 20,000 keys of 1 KiB; `BACKPLANE_BENCH_KEYS=100000` is the size. Bytes are those of the answers as text, as they cross the bus. The fetch
 * scans every partition page by page, all partitions at a time, and adds up here.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { startBackplane, type BackplaneConnection } from "./kv/backplane-store.ts"
import { median } from "./rounds.ts"

const BUCKET = "last"
const KEYS = 20_000
const VALUE_BYTES = 1024
/** Puts under way at a time. */
const PUTS = 512
const PAGE = 500
const LIMITS = { milliseconds: 60_000, megabytes: 256 } as const

interface Page {
  readonly entries: readonly (readonly [key: string, values: readonly string[]])[]
  readonly more: boolean
}

interface Measured {
  readonly result: number
  readonly bytes: number
  readonly seconds: number
}

async function load(connection: BackplaneConnection, keys: number): Promise<void> {
  const value = "v".repeat(VALUE_BYTES)
  for (let first = 0; first < keys; first += PUTS)
    await Promise.all(Array.from({ length: Math.min(PUTS, keys - first) }, (_, index) => connection.put(`key-${first + index}`, value)))
}

/** Asks every partition and adds up what they say; `ask` counts the bytes. */
async function measured(
  connection: BackplaneConnection,
  partitionSum: (ask: (operation: Operation) => Promise<KvAnswer>, partition: number) => Promise<number>,
): Promise<Measured> {
  let bytes = 0
  const ask = async (operation: Operation): Promise<KvAnswer> => {
    const answer = await connection.ask(operation)
    bytes += JSON.stringify(answer).length
    return answer
  }
  const began = performance.now()
  const sums = await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => partitionSum(ask, partition)))
  return { result: sums.reduce((a, b) => a + b, 0), bytes, seconds: (performance.now() - began) / 1000 }
}

interface Functions {
  readonly map: string
  readonly reduce: string
}
const NAMED: Functions = { map: "bytes", reduce: "sum" }
const GIVEN: Functions = { map: "(key, values) => values.reduce((sum, value) => sum + value.length, 0)", reduce: "(a, b) => a + b" }

const atTheData = (connection: BackplaneConnection, functions: Functions): Promise<Measured> =>
  measured(connection, async (ask, partition) => {
    const answer = await ask({ type: "mapreduce", bucket: BUCKET, partition, ...functions, ...LIMITS })
    return answer.ok ? ((answer.result as unknown as { readonly result: number | null }).result ?? 0) : Number.NaN
  })

const fetched = (connection: BackplaneConnection): Promise<Measured> =>
  measured(connection, async (ask, partition) => {
    let sum = 0
    for (let after = ""; ;) {
      const answer = await ask({ type: "scan", bucket: BUCKET, partition, limit: PAGE, ...(after === "" ? {} : { after }) })
      if (!answer.ok) return Number.NaN
      const { entries, more } = answer.result as unknown as Page
      for (const [, values] of entries) for (const value of values) sum += value.length
      const last = entries.at(-1)
      if (last === undefined || !more) return sum
      after = last[0]
    }
  })

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const keys = Number(process.env["BACKPLANE_BENCH_KEYS"] ?? KEYS)
  const folder = mkdtempSync(join(tmpdir(), "backplane-mapreduce-bench-"))
  const store = await startBackplane(folder)
  const rounds: { readonly here: Measured; readonly there: Measured; readonly given: Measured }[] = []
  try {
    const connection = await store.connect()
    await load(connection, keys)
    options.progress(`${keys} keys of ${VALUE_BYTES} bytes are there`)
    const wanted = keys * VALUE_BYTES + (await extra(connection))
    for (let round = -1; round < options.rounds; round++) {
      const there = await atTheData(connection, NAMED)
      const given = await atTheData(connection, GIVEN)
      const here = await fetched(connection)
      if ([there, given, here].some(({ result }) => result !== wanted))
        throw new Error(`the sums differ: ${there.result} and ${given.result} at the data, ${here.result} fetched, ${wanted} were put`)
      if (round < 0) continue
      const seconds = [there, given, here].map((each) => each.seconds.toFixed(3))
      options.progress(
        `round ${round + 1}: at the data ${seconds[0]} s, ${there.bytes} bytes, with functions given ${seconds[1]} s; fetched ${seconds[2]} s, ${here.bytes} bytes`,
      )
      rounds.push({ here, there, given })
    }
    await connection.close()
  } finally {
    await store.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  const share = rounds.map(({ here, there }) => there.bytes / here.bytes)
  const faster = rounds.map(({ here, there }) => here.seconds / there.seconds)
  const givenFaster = rounds.map(({ here, given }) => here.seconds / given.seconds)
  const bytes = { name: "fetched bytes", value: median(rounds.map(({ here }) => here.bytes)) }
  const seconds = { name: "fetch seconds", value: median(rounds.map(({ here }) => here.seconds)) }
  return [
    { name: "bytes_share", unit: "", better: "lower", value: median(share), baseline: bytes, rounds: share },
    { name: "times_faster", unit: "", better: "higher", value: median(faster), baseline: seconds, rounds: faster },
    { name: "times_faster_given", unit: "", better: "higher", value: median(givenFaster), baseline: seconds, rounds: givenFaster },
  ]
}

/** The key by which the store was seen to be ready. */
async function extra(connection: BackplaneConnection): Promise<number> {
  const answer = await connection.ask({ type: "get", bucket: BUCKET, key: "ready" })
  return answer.ok ? (answer.values[0]?.length ?? 0) : 0
}

export const bench: Bench = {
  name: "mapreduce",
  summary: "map and reduce where the data lies against fetching it all: bytes and seconds",
  run,
}
