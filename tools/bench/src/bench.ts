/**
 * What a bench is: a file `<name>.bench.ts` in this folder that exports `bench`. Nothing else to register.
 *
 * Every figure stands beside a baseline that was measured in the same run, round by round in turn, because a number from a
 * shared computer means little alone. Value and baseline are medians of their rounds.
 */
export interface Figure {
  /** Small letters and underscores, stable: scripts look for it. */
  readonly name: string
  /** Median of `rounds`. */
  readonly value: number
  readonly unit: string
  readonly better: "lower" | "higher"
  /** The peer it is compared with, and the median of its own rounds. */
  readonly baseline: { readonly name: string; readonly value: number }
  /** What each round gave, in order. */
  readonly rounds: readonly number[]
}

/** A table with its picture, for people and for programs: what figures in virtual time are. */
export interface Presentation {
  /** Small letters and hyphens. */
  readonly name: string
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** All of it as text. */
  readonly text: string
  readonly svg: string | null
}

export interface BenchOptions {
  /** How many rounds count; warm-up rounds come on top. */
  readonly rounds: number
  /** Says what is going on, for people; never part of the result. */
  readonly progress: (line: string) => void
  /** Takes tables and pictures beyond the figures. */
  readonly present: (presentation: Presentation) => void
}

export interface Bench {
  /** As in the name of its file. */
  readonly name: string
  /** One line: what is measured against what. */
  readonly summary: string
  /** It presents pictures. */
  readonly draws?: true
  run(options: BenchOptions): Promise<readonly Figure[]>
}

export interface MachineFacts {
  /** CPUs that the process may use. */
  readonly cpus: number
  readonly node: string
  /** Commit of the checkout, with `-dirty` where files differ; `unknown` outside a checkout. */
  readonly commit: string
  /** Share of all CPU time that other processes took during the run, 0…1; null where the system does not say. */
  readonly othersCpu: number | null
}

export interface BenchReport {
  readonly bench: string
  readonly figures: readonly Figure[]
  /** Empty for benches that only measure. */
  readonly presentations: readonly Presentation[]
  readonly machine: MachineFacts
}
