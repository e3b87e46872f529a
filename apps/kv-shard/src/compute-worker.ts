/** The inside of a worker: functions given as text, run over keys that come in batches, in a context that has nothing but the language. */
import { parentPort } from "node:worker_threads"
import { createContext, Script } from "node:vm"

interface Batch {
  readonly keys: readonly string[]
  /** How many of `values` belong to each key, in order. */
  readonly counts: readonly number[]
  readonly values: readonly string[]
  /** As JSON. */
  readonly partials: readonly string[]
  readonly last: boolean
}

interface Inside {
  value(text: string): void
  key(text: string): void
  partial(json: string): void
  tell(): string
}

/** What a thread is for, told once, before the first batch: it may have been started before anybody knew. */
interface Functions {
  readonly map: string
  readonly reduce: string
}

const context = createContext(Object.create(null) as object)
let inside: Inside | null = null

// Everything happens inside the context; only texts go in and out, so nothing of this side can be reached from there.
function compiled({ map, reduce }: Functions): Inside {
  return new Script(`"use strict"; (() => {
  const { parse, stringify } = JSON // before the functions can put others in their place
  const map = (${map}), reduce = (${reduce})
  let result, values = []
  const add = (value) => { if (value !== undefined) result = result === undefined ? value : reduce(result, value) }
  return {
    value: (text) => { values[values.length] = text },
    key: (text) => { const own = values; values = []; add(map(text, own)) },
    partial: (json) => add(parse(json)),
    tell: () => { const told = stringify(result ?? null); result = undefined; values = []; return told },
  }
})()`).runInContext(context) as Inside
}

parentPort?.on("message", (told: Functions | Batch) => {
  try {
    if ("map" in told) {
      inside = compiled(told)
      return
    }
    if (inside === null) return
    const { keys, counts, values, partials, last } = told
    let next = 0
    for (const [index, key] of keys.entries()) {
      for (let left = counts[index] ?? 0; left > 0; left--) inside.value(values[next++] ?? "")
      inside.key(key)
    }
    for (const partial of partials) inside.partial(partial)
    if (last) parentPort?.postMessage({ result: inside.tell() })
  } catch (error) {
    parentPort?.postMessage({ error: String(error) })
  }
})
