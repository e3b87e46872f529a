/** Seeds in several processes: the same is found, and no process is missed. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { inJobs } from "./seed-jobs.ts"

const MAIN = join(import.meta.dirname, "main.ts")

function said(...args: readonly string[]): { readonly seeds: string[]; readonly summary: string } {
  const { stdout } = spawnSync(process.execPath, [MAIN, "--from", "7", "--count", "5", "--cycles", "3000000", ...args], {
    encoding: "utf8",
  })
  const lines = stdout.trim().split("\n")
  return { seeds: lines.slice(0, -1).sort(), summary: lines.at(-1)?.replace(/, [0-9.]+ s$/, "") ?? "" }
}

describe("seeds in several processes", { timeout: 120_000 }, () => {
  it("say what they say in one", () => {
    const alone = said()
    expect(alone.seeds.map((line) => line.slice(0, 9))).toEqual([7, 8, 9, 10, 11].map((seed) => `seed ${seed} ok`.slice(0, 9)).sort())
    expect(said("--jobs", "3")).toEqual(alone)
  })

  it("fail where a process ends without a tally", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-jobs-"))
    const program = join(folder, "program.mjs")
    writeFileSync(
      program,
      'if (process.argv.at(-1) === "1/3") process.exit(3)\nprocess.send({ failed: 0, steps: 5 }, () => process.disconnect())',
    )
    expect(await inJobs(program, [], 3)).toEqual({ failed: 1, steps: 10 })
    rmSync(folder, { recursive: true, force: true })
  })
})
