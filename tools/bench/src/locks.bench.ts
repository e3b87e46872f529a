/**
 * Locks in virtual time: tables and pictures of tools/figures. Every figure is the same on every computer, so a round would only repeat it;
 * the baseline of each lock is test-and-set on as many CPUs, of each kernel the one lock, of shared counters those in lines of their own.
 */
import { figureSvg, figureText, type VirtualFigure } from "@backplane/figures/figure"
import { LOCK_FIGURES, type MakeFigure } from "@backplane/figures/figures"
import type { Bench, BenchOptions, Figure } from "./bench.ts"

/** Makes each figure, shows it, and gives it back by name. */
export function presentFigures(make: readonly MakeFigure[], { progress, present }: BenchOptions): ReadonlyMap<string, VirtualFigure> {
  return new Map(
    make.map((each) => {
      const figure = each("full")
      const { name, title, columns, rows } = figure
      progress(`${name} done`)
      present({ name, title, columns, rows, text: figureText(figure), svg: figureSvg(figure) })
      return [name, figure]
    }),
  )
}

/** One number of a figure beside another of it. */
export function virtualFigure(
  figure: VirtualFigure | undefined,
  wanted: Pick<Figure, "name" | "unit" | "better"> & { readonly value: string; readonly against: string; readonly baselineName: string },
): Figure {
  const number = (name: string): number => {
    const found = figure?.values[name]
    if (found === undefined) throw new Error(`unreachable: figure ${figure?.name} has a value ${name}`)
    return found
  }
  const value = number(wanted.value)
  const { name, unit, better, baselineName } = wanted
  return { name, unit, better, value, baseline: { name: baselineName, value: number(wanted.against) }, rounds: [value] }
}

const MOST_CPUS = 32

function run(options: BenchOptions): Promise<readonly Figure[]> {
  const figures = presentFigures(LOCK_FIGURES, options)
  const locks = ["tas", "ttas", "backoff", "ticket", "queue", "array"].map((lock) =>
    virtualFigure(figures.get("spin-locks"), {
      name: `${lock}_cycles_${MOST_CPUS}`,
      unit: "cycles beyond the work under the lock",
      better: "lower",
      value: `${lock}_${MOST_CPUS}`,
      against: `tas_${MOST_CPUS}`,
      baselineName: "test-and-set",
    }),
  )
  const kernels = ["fine", "free"].map((kind) =>
    virtualFigure(figures.get("kernel-locks"), {
      name: `kernel_${kind}_speedup_${MOST_CPUS}`,
      unit: "calls per cycle against one CPU",
      better: "higher",
      value: `${kind}_${MOST_CPUS}`,
      against: `big_${MOST_CPUS}`,
      baselineName: "one lock",
    }),
  )
  const sharing = virtualFigure(figures.get("false-sharing"), {
    name: "false_sharing_cycles_8",
    unit: "cycles per increment",
    better: "lower",
    value: "together_8",
    against: "apart_8",
    baselineName: "a line each",
  })
  return Promise.resolve([...locks, ...kernels, sharing])
}

export const bench: Bench = {
  name: "locks",
  summary: "virtual time: six spin locks from 1 to 32 CPUs, a kernel under one lock, many and none, false sharing",
  draws: true,
  run,
}
