/** One lesson from its question to its check. */
import { commandRunner, type RunCommands } from "./commands.ts"
import type { Lesson, LessonRun } from "./lesson.ts"

export interface LessonResult {
  readonly name: string
  readonly title: string
  /** Index of a choice, or null where none was made. */
  readonly predicted: number | null
  readonly run: LessonRun
  readonly commands: readonly string[]
  /** Every claim held, and the run gave an answer. */
  readonly ok: boolean
}

export interface LessonWish {
  readonly predicted: number | null
  /** Where the picture goes; null: none is drawn. */
  readonly svg: string | null
}

export async function runLesson(lesson: Lesson, wish: LessonWish, commands: RunCommands = commandRunner()): Promise<LessonResult> {
  const run = await lesson.run(commands)
  if (wish.svg !== null && run.picture !== null) await commands.plain([...run.picture, "--svg", wish.svg])
  return {
    name: lesson.name,
    title: lesson.title,
    predicted: wish.predicted,
    run,
    commands: [...commands.typed],
    ok: run.answer !== null && run.claims.every((claim) => claim.holds),
  }
}
