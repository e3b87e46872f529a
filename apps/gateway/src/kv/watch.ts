/**
 * A watch as server-sent events: each change once, though every replica tells it. A reader that is too slow is told so and let go; one that stops reading
 * cannot be told anything and is cut off, so that it holds neither a connection nor a lease at the replicas.
 */
import type { SSEStreamingApi } from "hono/streaming"
import { randomUUID } from "node:crypto"
import type { Vector } from "@backplane/kv-contract/versions"
import type { KvChanged } from "@backplane/kv-contract/watch-messages"
import { descends } from "@backplane/kv-versioning/vector"
import type { StoreAccess } from "./store-access.ts"

/** Changes that may wait for one reader. */
const WAITING_MAX = 1024
/** Keys whose last context is remembered, to know what was told already. */
const KNOWN_MAX = 8192
const HEARTBEAT_MILLISECONDS = 5_000
/** A reader that takes nothing for so long has stopped. */
const STALLED_MILLISECONDS = 30_000

export interface WatchOptions {
  readonly store: Pick<StoreAccess, "watch">
  readonly bucket: string
  readonly prefix: string
  /** Ends the connection, whatever of it was not read. */
  readonly cut: () => void
  readonly stalledMilliseconds?: number
}

class ReaderStopped extends Error {}

export async function watchBucket(
  stream: Pick<SSEStreamingApi, "writeSSE" | "onAbort" | "aborted" | "closed">,
  { store, bucket, prefix, cut, stalledMilliseconds = STALLED_MILLISECONDS }: WatchOptions,
): Promise<void> {
  const known = new Map<string, Vector>()
  const waiting: KvChanged[] = []
  let wake = (): void => undefined
  let overflow = false
  const leave = store.watch({
    watch: randomUUID(),
    bucket,
    prefix,
    onChange: (change) => {
      const before = known.get(change.key)
      if (before !== undefined && descends(before, change.context)) return
      known.delete(change.key)
      known.set(change.key, change.context)
      for (const oldest of known.keys()) {
        if (known.size <= KNOWN_MAX) break
        known.delete(oldest)
      }
      if (waiting.length >= WAITING_MAX) overflow = true
      else waiting.push(change)
      wake()
    },
  })
  stream.onAbort(() => {
    leave()
    wake()
  })
  const say = async (event: string, data: string): Promise<void> => {
    const written = stream.writeSSE({ event, data })
    if (!(await changedWithin(stalledMilliseconds, (done) => void written.then(done, done)))) throw new ReaderStopped()
  }
  try {
    await say("open", JSON.stringify({ bucket, prefix }))
    while (!stream.aborted && !stream.closed) {
      const change = waiting.shift()
      if (change !== undefined) {
        const { key, values, result, context } = change
        await say("change", JSON.stringify({ key, values, context, ...(result === undefined ? {} : { result }) }))
      } else if (overflow) {
        await say("overflow", JSON.stringify({ waiting: WAITING_MAX, remedy: "read faster; scan, then watch again" }))
        return
      } else if (!(await changedWithin(HEARTBEAT_MILLISECONDS, (done) => (wake = done)))) await say("alive", "")
    }
  } catch (error) {
    if (!(error instanceof ReaderStopped)) throw error
    cut()
  } finally {
    leave()
  }
}

/** True where `arm`'s function was called in time. */
function changedWithin(milliseconds: number, arm: (done: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), milliseconds)
    arm(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
