/** `backplane ledger`: what it is asked for is what it tells, or it is refused. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const COMMAND_MS = 60_000
const KERNEL = ["--kernel", join(import.meta.dirname, "../../../tools/guests/images/kernel.bin"), "--append", "run=echo hello"]

function ledger(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), "ledger", ...args], {
    encoding: "utf8",
    timeout: COMMAND_MS,
  })
  return { code: run.status, out: run.stdout, err: run.stderr }
}

interface Told {
  readonly ok: boolean
  readonly exit: number
  readonly costs: string
  readonly virtualCycles: number
  readonly instructions: number
  readonly exits: readonly { readonly count: number }[]
}

function told(...args: readonly string[]): Told {
  const { code, out } = ledger(...KERNEL, ...args, "--json")
  expect(code).toBe(0)
  return JSON.parse(out) as Told
}

describe("the ledger of a guest", { timeout: COMMAND_MS }, () => {
  it("has the costs that were asked for: on Disco's machine an exit costs other cycles, and nothing else is changed", () => {
    const [modern, disco] = [told(), told("--costs", "disco1997")]
    expect([modern.costs, disco.costs]).toEqual(["modern", "disco1997"])
    expect(disco.virtualCycles).not.toBe(modern.virtualCycles)
    expect(disco.instructions).toBe(modern.instructions)
    expect(disco.exits.map(({ count }) => count).toSorted()).toEqual(modern.exits.map(({ count }) => count).toSorted())
  })

  it("that came to its limit is no failure, in the exit code and in the report", () => {
    expect(told("--max-instructions", "10000")).toMatchObject({ ok: true, exit: 0, instructions: 10_000 })
  })

  it("that waited in vain says for what", () => {
    const { code, err } = ledger(...KERNEL, "--expect", "never said", "--max-instructions", "50000")
    expect(code).toBe(124)
    expect(err).toContain('still waiting for "never said"')
  })

  it("shows no counts of what was not observed", () => {
    const { out } = ledger(...KERNEL)
    expect(out).toContain("Table B.5: not observed")
    expect(out.slice(out.indexOf("Table B.5"))).not.toContain("0 exits")
  })
})

describe("the ledger refuses", { timeout: COMMAND_MS }, () => {
  it.each([
    [[...KERNEL, "--costs", "nowhere"], "--costs"],
    [[...KERNEL, "--sim"], "--sim"],
    [[...KERNEL, "--live"], "--live"],
    [[...KERNEL, "--fidelity", "timed"], "--fidelity"],
    [["--cpus", "2"], "--cpus"],
    [["--append", "run=ps"], "--append"],
    [["--disk", "nowhere.img"], "--disk"],
    [["--max-instructions", "1000"], "--max-instructions"],
    [["--expect", "$ "], "--expect"],
  ])("%j", (args, flag) => {
    const { code, out, err } = ledger(...args)
    expect({ code, out }).toEqual({ code: 2, out: "" })
    expect(err).toContain(flag)
  })
})
