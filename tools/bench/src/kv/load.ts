/** Sixty-four callers, each with one request under way, over one connection or over one each; what that gave. */
import { Random } from "@backplane/foundation-base/random"
import { cpuMicroseconds, type KvConnection, type RunningStore } from "./store-under-test.ts"

const CLIENTS = 64
const KEYS = 2_000

export interface Cell {
  readonly connections: "shared" | "own"
  /** Share of reads, in percent. */
  readonly reads: 50 | 95
  readonly bytes: 100 | 1024
}

/** `shared.50_50.100B` */
export function cellName({ connections, reads, bytes }: Cell): string {
  return `${connections}.${reads}_${100 - reads}.${bytes === 1024 ? "1KiB" : `${bytes}B`}`
}

export const CELLS: readonly Cell[] = (["shared", "own"] as const).flatMap((connections) =>
  ([50, 95] as const).flatMap((reads) => ([100, 1024] as const).map((bytes): Cell => ({ connections, reads, bytes }))),
)

export interface Measured {
  readonly opsPerSecond: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
  /** Of the store's processes, clients not counted. */
  readonly cpuMicrosecondsPerOp: number
}

export async function measure(
  store: RunningStore,
  cell: Cell,
  options: { readonly milliseconds: number; readonly seed: number },
): Promise<Measured> {
  const connections = await Promise.all(Array.from({ length: cell.connections === "shared" ? 1 : CLIENTS }, () => store.connect()))
  const latencies: number[] = []
  const value = "v".repeat(cell.bytes)
  const caller = async (connection: KvConnection, random: Random, until: number, counts: boolean): Promise<void> => {
    while (performance.now() < until) {
      const began = performance.now()
      const key = `key-${random.below(KEYS)}`
      await (random.below(100) < cell.reads ? connection.get(key) : connection.put(key, value))
      if (counts) latencies.push(performance.now() - began)
    }
  }
  const run = (milliseconds: number, counts: boolean): Promise<unknown> => {
    const until = performance.now() + milliseconds
    const callers = Array.from({ length: CLIENTS }, (_, index) => {
      const connection = connections[index % connections.length] as KvConnection
      return caller(connection, new Random(`${options.seed}/${index}`), until, counts)
    })
    return Promise.all(callers)
  }
  await run(options.milliseconds / 4, false)
  const cpu = cpuMicroseconds(store.pids)
  const began = performance.now()
  await run(options.milliseconds, true)
  const seconds = (performance.now() - began) / 1000
  const spent = cpuMicroseconds(store.pids) - cpu
  for (const connection of connections) await connection.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0
  return {
    opsPerSecond: latencies.length / seconds,
    p50Milliseconds: at(0.5),
    p99Milliseconds: at(0.99),
    cpuMicrosecondsPerOp: spent / Math.max(1, latencies.length),
  }
}
