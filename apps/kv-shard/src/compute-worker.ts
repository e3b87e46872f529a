/** The inside of a worker: functions given as text, run over keys that come in batches, in a context that has nothing but the language. */
import { parentPort, workerData } from "node:worker_threads"
import { createContext, Script } from "node:vm"
import type { Json } from "@backplane/foundation-base/json"

interface Batch {
  readonly entries: readonly (readonly [string, readonly string[]])[]
  readonly partials: readonly Json[]
  readonly last: boolean
}

const { map, reduce } = workerData as { readonly map: string; readonly reduce: string }
/** By name, for those that everybody needs. */
const NAMED: Readonly<Record<string, string>> = {
  count: "() => 1",
  bytes: "(_key, values) => values.reduce((sum, value) => sum + value.length, 0)",
  number: "(_key, values) => Number(values[0])",
  sum: "(a, b) => a + b",
  max: "(a, b) => Math.max(a, b)",
  min: "(a, b) => Math.min(a, b)",
}
const context = createContext(Object.create(null) as object)
const compiled = (text: string): string => `(${NAMED[text] ?? text})`
// Everything happens inside the context, on copies made from JSON: nothing of this side can be reached from there.
const step = new Script(`"use strict"; (() => {
  const map = ${compiled(map)}, reduce = ${compiled(reduce)}
  let result
  const add = (value) => { if (value !== undefined) result = result === undefined ? value : reduce(result, value) }
  return (text) => {
    const { entries, partials, last } = JSON.parse(text)
    for (const [key, values] of entries) add(map(key, values))
    for (const value of partials) add(value)
    const told = JSON.stringify(result ?? null)
    if (last) result = undefined
    return told
  }
})()`).runInContext(context) as (text: string) => string

parentPort?.on("message", ({ entries, partials, last }: Batch) => {
  try {
    const result = step(JSON.stringify({ entries, partials, last }))
    if (last) parentPort?.postMessage({ result })
  } catch (error) {
    parentPort?.postMessage({ error: String(error) })
  }
})
