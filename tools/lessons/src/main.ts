/** `node tools/lessons/src/main.ts [name] [--all] [--predict N] [--svg FILE] [--json]`: behind `backplane lesson`. */
import { createInterface } from "node:readline/promises"
import { parseArgs } from "node:util"
import { CommandError } from "./commands.ts"
import { listText, questionText, resultText } from "./lesson-text.ts"
import type { Lesson } from "./lesson.ts"
import { LESSONS } from "./lessons.ts"
import { runLesson, type LessonResult } from "./run-lesson.ts"

interface Flags {
  readonly json: boolean
  readonly svg: string | null
  /** As given: a number of a choice, from 1. */
  readonly predict: string | null
}

class BadFlag extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { all: { type: "boolean" }, predict: { type: "string" }, svg: { type: "string" }, json: { type: "boolean" } },
  })
  const flags: Flags = { json: values.json === true, svg: values.svg ?? null, predict: values.predict ?? null }
  const [name, more] = positionals
  if (more !== undefined) throw new BadFlag(`one lesson at a time: ${name} or ${more}`)
  const ofOne = flags.predict !== null ? "--predict" : flags.svg !== null ? "--svg" : null
  if (name === undefined && ofOne !== null) throw new BadFlag(`${ofOne} is of one lesson; say which, by its name or number`)
  if (values.all === true && name !== undefined) throw new BadFlag(`--all runs every lesson; leave out ${name}, or --all`)
  if (values.all === true) return runAll(flags)
  if (name === undefined) return (console.log(flags.json ? JSON.stringify({ lessons: LESSONS.map(described) }) : listText(LESSONS)), 0)
  const lesson = LESSONS.find((each, index) => each.name === name || String(index + 1) === name)
  if (lesson === undefined) throw new BadFlag(`there is no lesson "${name}"; there are ${LESSONS.map((each) => each.name).join(", ")}`)
  if (flags.svg !== null && lesson.draws !== true) throw new BadFlag(`--svg: lesson ${lesson.name} draws no picture; leave it out`)
  const predicted = flags.predict === null ? null : choiceOf(lesson, flags.predict)
  const result = await runOne(lesson, flags, predicted)
  if (flags.json) console.log(JSON.stringify(result))
  return result.ok ? 0 : 1
}

async function runAll(flags: Flags): Promise<number> {
  const results: LessonResult[] = []
  for (const [index, lesson] of LESSONS.entries()) {
    if (!flags.json) console.log(`${index === 0 ? "" : "\n"}== ${index + 1}. ${lesson.name} ==\n`)
    results.push(await runOne(lesson, flags))
  }
  const held = results.filter(({ ok }) => ok).length
  console.log(flags.json ? JSON.stringify({ held, results }) : `\n${held} of ${results.length} lessons: every claim held`)
  return held === results.length ? 0 : 1
}

async function runOne(lesson: Lesson, { json, svg }: Flags, predicted: number | null = null): Promise<LessonResult> {
  if (!json) console.log(`${questionText(lesson)}\n`)
  const result = await runLesson(lesson, { predicted: predicted ?? (json ? null : await askedPrediction(lesson)), svg })
  if (!json) console.log(resultText(lesson, result))
  return result
}

/** On a terminal; null where nobody is asked, or does not say. */
async function askedPrediction(lesson: Lesson): Promise<number | null> {
  if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) return null
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    for (;;) {
      const said = (await terminal.question("Your prediction (a number; Enter: none): ")).trim()
      if (said === "") return null
      const chosen = Number(said) - 1
      if (lesson.choices[chosen] !== undefined) return chosen
      console.log(`a number from 1 to ${lesson.choices.length}`)
    }
  } finally {
    terminal.close()
  }
}

function choiceOf(lesson: Lesson, text: string): number {
  const chosen = Number(text) - 1
  if (lesson.choices[chosen] === undefined) throw new BadFlag(`--predict "${text}": a number from 1 to ${lesson.choices.length}`)
  return chosen
}

function described({ name, title, chapter, minutes, question, choices }: Lesson): object {
  return { name, title, chapter, minutes, question, choices }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const known = error instanceof BadFlag || error instanceof CommandError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS")
  if (known !== true) throw error
  const { message } = error as Error
  const kind = error instanceof CommandError ? "failure" : "bad-input"
  if (process.argv.includes("--json")) console.log(JSON.stringify({ error: { kind, message } }))
  console.error(`backplane: ${message}`)
  // As everywhere: 2 is for what cannot be asked for, 1 for what was tried and failed.
  process.exitCode = error instanceof CommandError ? 1 : 2
}
