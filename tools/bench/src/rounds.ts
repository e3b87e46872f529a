/** Rounds of several contenders in turn, so that whatever slows the computer for a while slows all of them. */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { BenchOptions, Figure } from "./bench.ts"

/** One measured round; gives the figure of that round. */
export type Round = () => number | Promise<number>

/** Each contender's figures, round by round. The first to go changes from round to round. */
export async function interleaved<Name extends string>(
  contenders: Readonly<Record<Name, Round>>,
  options: Pick<BenchOptions, "rounds" | "progress"> & { readonly warmups?: number },
): Promise<Readonly<Record<Name, readonly number[]>>> {
  assert(Number.isInteger(options.rounds) && options.rounds >= 1, "bench: rounds is a whole number, at least 1")
  const { warmups = 1 } = options
  const names = Object.keys(contenders) as Name[]
  const figures = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -warmups; round < options.rounds; round++) {
    const turn = (round + warmups) % names.length
    for (const name of [...names.slice(turn), ...names.slice(0, turn)]) {
      const figure = await contenders[name]()
      assert(Number.isFinite(figure), `bench: a round of ${name} gives a number`)
      if (round >= 0) figures[name].push(figure)
      options.progress(`${round < 0 ? "warm-up" : `round ${round + 1} of ${options.rounds}`}: ${name} ${Number(figure.toPrecision(4))}`)
    }
  }
  return figures
}

/** The middle value; of an even number of values, the mean of the middle two. */
export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs a value")
  const sorted = [...values].sort((a, b) => a - b)
  const upper = sorted.length >> 1
  const high = defined(sorted[upper], "the middle is there")
  return sorted.length % 2 === 1 ? high : (high + defined(sorted[upper - 1], "the middle is there")) / 2
}

/** Puts one contender's rounds beside another's. */
export function figureOf(
  figure: Pick<Figure, "name" | "unit" | "better">,
  rounds: { readonly ours: readonly number[]; readonly baseline: readonly number[]; readonly baselineName: string },
): Figure {
  const { name, unit, better } = figure
  return {
    name,
    value: median(rounds.ours),
    unit,
    better,
    baseline: { name: rounds.baselineName, value: median(rounds.baseline) },
    rounds: rounds.ours,
  }
}
