/**
 * Compares a text with the file it is kept in: `expectScenario(new URL("../scenarios/two-hops.txt", import.meta.url), text)`.
 *
 * Files are written only on request (`UPDATE_SCENARIOS=1`), so a change of a conversation is always seen in a review. For
 * tests, not for machines: it reads and writes the disk.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import process from "node:process"

/** Vitest shows `actual` against `expected` as a diff. */
class ScenarioMismatch extends Error {
  override readonly name = "ScenarioMismatch"
  readonly actual: string
  readonly expected: string

  constructor(what: string, texts: { readonly actual: string; readonly expected: string }) {
    super(what)
    this.actual = texts.actual
    this.expected = texts.expected
  }
}

/** Throws where the file holds another text or is not there; with UPDATE_SCENARIOS=1 writes it instead. */
export function expectScenario(file: URL, actual: string, env: Readonly<Record<string, string | undefined>> = process.env): void {
  const path = fileURLToPath(file)
  const expected = existsSync(path) ? readFileSync(path, "utf8").replaceAll("\r\n", "\n") : null
  if (expected === actual) return
  if (env["UPDATE_SCENARIOS"] === "1") {
    mkdirSync(fileURLToPath(new URL(".", file)), { recursive: true })
    writeFileSync(path, actual)
    return
  }
  const name = path.split(/[\\/]/).at(-1) ?? path
  const remedy = "run the test again with UPDATE_SCENARIOS=1 if the new conversation is meant, and review the diff"
  if (expected === null) throw new ScenarioMismatch(`scenario ${name} is not there: ${remedy}`, { actual, expected: "" })
  throw new ScenarioMismatch(`scenario ${name} differs at line ${firstDifference(expected, actual)}: ${remedy}`, { actual, expected })
}

/** 1-based line of the first difference, with both texts of it. */
function firstDifference(expected: string, actual: string): string {
  const left = expected.split("\n")
  const right = actual.split("\n")
  let line = 0
  while (line < left.length && left[line] === right[line]) line++
  return `${line + 1} (expected ${JSON.stringify(left[line] ?? "end")}, got ${JSON.stringify(right[line] ?? "end")})`
}
