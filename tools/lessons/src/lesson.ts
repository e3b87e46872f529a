/**
 * What a lesson is: a question about the machine, answers to choose from, and a run that shows which one is right.
 *
 * The right answer is not written down: `run` reads it off what the machine did. Not here: how a lesson is shown (lesson-text.ts).
 */
import type { Json } from "@backplane/foundation-base/json"

export interface Lesson {
  /** Short, as typed: `work-stealing`. */
  readonly name: string
  readonly title: string
  /** Where the seed texts treat it. */
  readonly chapter: string
  /** Of a reader's time. */
  readonly minutes: number
  /** What must be known before the question, a paragraph an entry. */
  readonly text: readonly string[]
  readonly question: string
  /** At least two. */
  readonly choices: readonly string[]
  /** Its run has a picture. */
  readonly draws?: true
  run(commands: LessonCommands): Promise<LessonRun>
}

/** The commands that a lesson may run: each is the product's own, and is shown to the reader. */
export interface LessonCommands {
  /** `backplane <args> --json`: what it printed. Throws where it failed. */
  json(args: readonly string[]): Promise<Json>
  /** All that were run, as a reader would type them. */
  readonly typed: readonly string[]
}

export interface LessonTable {
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Claim {
  readonly text: string
  /** The figures that it rests on. */
  readonly measured: string
  readonly holds: boolean
}

export interface LessonRun {
  /** Index of the choice that this run shows to be right; null where it shows none of them to be. */
  readonly answer: number | null
  readonly table: LessonTable
  /** What to see in the table. */
  readonly explanation: readonly string[]
  readonly claims: readonly Claim[]
  /** Arguments of `backplane` that draw the picture when `--svg <file>` is added to them. */
  readonly picture: readonly string[] | null
  /** A command that shows the same on the running stack, as a trace. */
  readonly trace: string | null
}
