/** A watch as server-sent events: each change once, though every replica tells it; a reader that is too slow is told so and let go. */
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

export async function watchBucket(
  stream: SSEStreamingApi,
  { store, bucket, prefix }: { readonly store: StoreAccess; readonly bucket: string; readonly prefix: string },
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
  try {
    await stream.writeSSE({ event: "open", data: JSON.stringify({ bucket, prefix }) })
    while (!stream.aborted && !stream.closed) {
      const change = waiting.shift()
      if (change !== undefined) {
        const { key, values, result, context } = change
        await stream.writeSSE({
          event: "change",
          data: JSON.stringify({ key, values, context, ...(result === undefined ? {} : { result }) }),
        })
      } else if (overflow) {
        await stream.writeSSE({
          event: "overflow",
          data: JSON.stringify({ waiting: WAITING_MAX, remedy: "read faster; scan, then watch again" }),
        })
        return
      } else if (!(await changedWithin(HEARTBEAT_MILLISECONDS, (done) => (wake = done))))
        await stream.writeSSE({ event: "alive", data: "" })
    }
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
