/** Numbers as flags say them: counts, seconds, sizes. */
import { InvalidArgumentError, Option } from "commander"

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

export function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("give a whole number of at least 1")
  return value
}

/** A node by its number. */
export function nodeNumber(text: string): number {
  if (!/^\d{1,2}$/.test(text) || Number(text) > 63) throw new InvalidArgumentError("give a node by its number, as 1")
  return Number(text)
}

export function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("give a number of seconds above 0")
  return value
}

export function bytes(text: string): number {
  const match = /^(\d+)([KMG]?)$/.exec(text)
  const value = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? NaN)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("give a size such as 128M, with K, M or G")
  return value
}

/** A size in bytes whose default `--help` shows as one would give it. */
export function sizeOption(flags: string, meaning: string, defaultBytes: number): Option {
  const [unit, unitBytes] = Object.entries(UNITS).findLast(([, each]) => defaultBytes % each === 0) ?? ["", 1]
  return new Option(flags, meaning).argParser(bytes).default(defaultBytes, `${defaultBytes / unitBytes}${unit}`)
}

/** A list whose default `--help` shows as one would give it: with commas, and as nothing where it is empty. */
export function listOption<Item>(
  flags: string,
  meaning: string,
  parsed: { readonly parse: (text: string) => readonly Item[]; readonly default: readonly Item[] },
): Option {
  return new Option(flags, meaning).argParser(parsed.parse).default(parsed.default, parsed.default.join(",") || "none")
}

/** CPUs: `3`, `0-3`, `0,2,4-5`; ascending, each once. */
export function cpuList(text: string): readonly number[] {
  const cpus = text.split(",").flatMap((part) => {
    const match = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part)
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])]
    if (match === null || to < from || to > 255) throw new InvalidArgumentError("give CPUs as 3, 0-3 or 0,2")
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
  return [...new Set(cpus)].sort((a, b) => a - b)
}
