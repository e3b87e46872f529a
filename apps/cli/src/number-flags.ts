/** Numbers as flags say them: counts, seconds, sizes. */
import { InvalidArgumentError } from "commander"

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
