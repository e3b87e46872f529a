/** How a lesson looks on a terminal. */
import type { Lesson, LessonTable } from "./lesson.ts"
import type { LessonResult } from "./run-lesson.ts"

const WIDTH = 100

export function listText(lessons: readonly Lesson[]): string {
  const name = Math.max(...lessons.map((lesson) => lesson.name.length))
  const title = Math.max(...lessons.map((lesson) => lesson.title.length))
  return [
    ...lessons.map((lesson, index) =>
      [
        String(index + 1).padStart(2),
        lesson.name.padEnd(name),
        lesson.title.padEnd(title),
        `${String(lesson.minutes).padStart(2)} min`,
        lesson.chapter,
      ].join("  "),
    ),
    "",
    "npx backplane lesson <name>",
  ].join("\n")
}

export function questionText(lesson: Lesson): string {
  return [
    `${lesson.title}   (${lesson.chapter}; ${lesson.minutes} minutes)`,
    "",
    ...lesson.text.flatMap((paragraph) => [wrapped(paragraph), ""]),
    wrapped(lesson.question),
    ...lesson.choices.map((choice, index) => wrapped(`${index + 1}. ${choice}`, "  ")),
  ].join("\n")
}

export function resultText(lesson: Lesson, { run, predicted, commands }: LessonResult): string {
  const said = (index: number): string => `${index + 1}. ${lesson.choices[index] ?? ""}`
  const verdict = run.answer === null ? "this run shows none of these answers to be right" : `the run says: ${said(run.answer)}`
  const compared =
    predicted === null || run.answer === null ? "" : predicted === run.answer ? " You said so." : ` You said ${predicted + 1}.`
  return [
    ...commands.map((command) => `$ ${command}`),
    "",
    tableText(run.table),
    "",
    wrapped(verdict + compared),
    "",
    ...run.explanation.flatMap((paragraph) => [wrapped(paragraph), ""]),
    ...run.claims.map((claim) => `${claim.holds ? "holds " : "FAILED"}  ${claim.text} (${claim.measured})`),
    ...(run.trace === null ? [] : ["", `See it on the running stack: ${run.trace}`]),
    ...(run.picture === null ? [] : [`Draw it: npx backplane ${run.picture.join(" ")} --svg picture.svg`]),
  ].join("\n")
}

function tableText({ head, rows }: LessonTable): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)))
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

function wrapped(text: string, indent = ""): string {
  const lines: string[] = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, indent + line].join("\n")
}
