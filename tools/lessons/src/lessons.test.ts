/** Every lesson, run as a reader would: all claims hold; and a lesson whose claim is false is said to fail. */
import { readFileSync, rmSync, mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { commandRunner } from "./commands.ts"
import { questionText, resultText } from "./lesson-text.ts"
import { LESSONS } from "./lessons.ts"
import type { Lesson } from "./lesson.ts"
import { runLesson } from "./run-lesson.ts"

/** Silent reading is about 240 (Brysbaert 2019); what is new and has figures in it, half of that. */
const WORDS_A_MINUTE = 120

const folder = mkdtempSync(join(tmpdir(), "backplane-lessons-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe("every lesson", () => {
  it.each(LESSONS.map((lesson) => [lesson.name, lesson] as const))(
    "%s: the run answers its question, every claim holds",
    async (_, lesson) => {
      const result = await runLesson(lesson, { predicted: null, svg: null })
      expect(result.run.claims.filter((claim) => !claim.holds)).toEqual([])
      expect(result.ok).toBe(true)
      expect(result.run.claims.length).toBeGreaterThan(0)
      expect(lesson.draws === true).toBe(result.run.picture !== null)
      expect(lesson.choices[result.run.answer ?? -1]).toBeDefined()
      expect(resultText(lesson, result)).toContain(`the run says: ${(result.run.answer ?? 0) + 1}.`)
      // All that there is to read, tables and commands too, slowly, and a minute to think.
      const words = `${questionText(lesson)} ${resultText(lesson, result)}`.split(/\s+/).length
      expect(words / WORDS_A_MINUTE + 1).toBeLessThanOrEqual(lesson.minutes)
    },
  )

  it("has a name of its own, two choices at least, and takes less than ten minutes", () => {
    expect(new Set(LESSONS.map((lesson) => lesson.name)).size).toBe(LESSONS.length)
    for (const lesson of LESSONS) {
      expect(lesson.choices.length).toBeGreaterThan(1)
      expect(lesson.minutes).toBeLessThan(10)
      expect(questionText(lesson)).toContain(lesson.question.split(" ")[0])
    }
  })
})

const planted: Lesson = {
  name: "planted",
  title: "planted",
  chapter: "",
  minutes: 1,
  text: [],
  question: "?",
  choices: ["a", "b"],
  run: async (commands) => {
    await commands.json(["jobs", "--cpus", "1", "--list", "a:10:10"])
    return {
      answer: 0,
      table: { head: ["x"], rows: [["1"]] },
      explanation: [],
      claims: [
        { text: "true", measured: "1", holds: true },
        { text: "water flows uphill", measured: "0", holds: false },
      ],
      picture: ["jobs", "--cpus", "1", "--list", "a:10:10"],
      trace: null,
    }
  },
}

describe("a lesson's verdict", () => {
  it("a claim that does not hold fails the lesson, and is shown", async () => {
    const result = await runLesson(planted, { predicted: 1, svg: join(folder, "p.svg") })
    expect(result.ok).toBe(false)
    const text = resultText(planted, result)
    expect(text).toContain("FAILED  water flows uphill (0)")
    expect(text).toContain("You said 2.")
    expect(readFileSync(join(folder, "p.svg"), "utf8")).toContain("<svg")
    expect(result.commands[0]).toBe("npx backplane jobs --cpus 1 --list a:10:10 --json")
  })

  it("no answer is no success", async () => {
    const undecided: Lesson = { ...planted, run: async (commands) => ({ ...(await planted.run(commands)), answer: null, claims: [] }) }
    expect((await runLesson(undecided, { predicted: null, svg: null })).ok).toBe(false)
  })

  it("a command that fails is named with what it said", async () => {
    await expect(commandRunner().json(["jobs", "--cpus", "none"])).rejects.toThrow(/backplane jobs --cpus none.*ended with 2/s)
  })
})
