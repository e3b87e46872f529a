/** The benches there are: every `<name>.bench.ts` in this folder. */
import { readdirSync } from "node:fs"
import { compareText } from "@backplane/foundation-base/json"
import type { Bench } from "./bench.ts"

const SUFFIX = ".bench.ts"

/** A wrong name or option: the user's, not ours. The message says what there is. */
export class BenchUsageError extends Error {
  override readonly name = "BenchUsageError"
}

export function benchNames(): string[] {
  return readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort(compareText)
}

/** Loads one bench; a wrong name is answered with the right ones. */
export async function loadBench(name: string): Promise<Bench> {
  const names = benchNames()
  if (!names.includes(name)) throw new BenchUsageError(`no bench is named ${JSON.stringify(name)}: there are ${names.join(", ")}`)
  const module: unknown = await import(new URL(`./${name}${SUFFIX}`, import.meta.url).href)
  const bench: unknown = typeof module === "object" && module !== null && "bench" in module ? module.bench : null
  if (!isBench(bench) || bench.name !== name)
    throw new BenchUsageError(`${name}${SUFFIX} must export bench: { name: "${name}", summary, run }`)
  return bench
}

function isBench(value: unknown): value is Bench {
  if (typeof value !== "object" || value === null || !("name" in value && "summary" in value && "run" in value)) return false
  return typeof value.name === "string" && typeof value.summary === "string" && typeof value.run === "function"
}
