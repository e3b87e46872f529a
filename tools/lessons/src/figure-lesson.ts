/** A lesson whose run is a figure of tools/figures: virtual time, the same on every computer to the cycle. */
import { defined } from "@backplane/foundation-base/assert"
import type { VirtualFigure } from "@backplane/figures/figure"
import type { Lesson, LessonRun } from "./lesson.ts"

export type Value = (name: string) => number

export interface FigureLesson extends Omit<Lesson, "run"> {
  /** The short form: fewer points, the same shape. */
  readonly figure: () => VirtualFigure
  /** Draws all of it. */
  readonly bench: "locks" | "numa"
  readonly conclude: (value: Value) => Pick<LessonRun, "answer" | "explanation" | "claims">
}

export function figureLesson({ figure, bench, conclude, ...lesson }: FigureLesson): Lesson {
  return {
    ...lesson,
    run: () => {
      const { columns, rows, values } = figure()
      const concluded = conclude((name) => defined(values[name], `the figure has ${name}`))
      return Promise.resolve({
        ...concluded,
        table: { head: columns, rows: rows.map((row) => row.map(String)) },
        explanation: [...concluded.explanation, `The whole of it, with pictures: npx backplane bench ${bench} --svg ${bench}.svg`],
        picture: null,
        trace: null,
      })
    },
  }
}

export const times = (factor: number): string => `${factor.toFixed(1)} times`
