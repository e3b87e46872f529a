/** What the bench of key-value stores asks of each: how it is started, and a connection that gets and puts. */
import { readFileSync } from "node:fs"

export interface KvConnection {
  get(key: string): Promise<unknown>
  put(key: string, value: string): Promise<unknown>
  close(): Promise<void> | void
}

export interface RunningStore {
  /** Processes that serve: their CPU is the store's. */
  readonly pids: readonly number[]
  connect(): Promise<KvConnection>
  stop(): Promise<void>
}

export interface StoreUnderTest {
  readonly name: "backplane" | "etcd" | "jetstream" | "redis"
  /** Null where its program is not installed. */
  start(folder: string): Promise<RunningStore | null>
}

/** Linux: clock ticks of a hundredth of a second. */
const MICROSECONDS_PER_TICK = 10_000

/** CPU microseconds that the processes have taken so far, user and system. */
export function cpuMicroseconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return sum + (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK
    } catch {
      return sum
    }
  }, 0)
}
