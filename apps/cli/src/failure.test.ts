/** How commands fail: one line on standard error, with --json one object on standard output, and exit code 2 for what was asked wrongly. */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"

const COMMAND_MS = 60_000

function backplane(...args: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string } {
  const env = { ...process.env, BACKPLANE_HOME: "/nowhere/backplane" }
  const run = spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], { encoding: "utf8", timeout: COMMAND_MS, env })
  return { code: run.status, out: run.stdout, err: run.stderr }
}

describe("a command that fails", { timeout: COMMAND_MS }, () => {
  it.each([
    ["a wrong value", ["vm", "move", "alpha", "--to", "x"], "invalid. give a node"],
    ["a missing argument", ["kv", "get", "default"], "missing required argument 'key'"],
    ["a wrong flag", ["memory", "map", "--bogus"], "unknown option '--bogus'"],
    ["no stack", ["kv", "get", "default", "k"], "no stack is running"],
  ])("%s is told as JSON too", (_, args, said) => {
    const { code, out, err } = backplane(...args, "--json")
    expect(code).toBe(said.startsWith("no stack") ? 1 : 2)
    expect(JSON.parse(out)).toMatchObject({ error: { message: expect.stringContaining(said) } })
    expect(err).toContain(said)
  })

  it("in the simulator is told as JSON too", () => {
    const { code, out } = backplane("litmus", "nowhere.litmus", "--json")
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ error: { kind: "bad-input", message: expect.stringContaining("nowhere.litmus") } })
  })

  it.each([
    ["lesson", "nowhere"],
    ["chaos", "kv", "--faults", "nowhere"],
    ["lesson", "--predict", "1"],
    ["lesson", "tlb-miss", "--all"],
    ["lesson", "tlb-miss", "--predict", "9"],
    ["lesson", "tlb-miss", "--svg", "x.svg"],
    ["bench", "nowhere"],
    ["bench", "--svg", "x.svg"],
    ["bench", "exit", "--svg", "x.svg"],
    ["sched", "conform", "--mutant", "nowhere"],
    ["sched", "conform", "--run", "true", "--mutant", "nowhere"],
    ["sched", "conform", "--nats", "nats://127.0.0.1:4222"],
    ["trace", "sim", "nowhere"],
  ])("in a program of its own is told as JSON too: %s %s", (...args) => {
    const { code, out, err } = backplane(...args, "--json")
    expect(code).toBe(2)
    const { error } = JSON.parse(out) as { error: { kind: string; message: string } }
    expect(error.kind).toBe("bad-input")
    expect(err).toContain(error.message)
  })

  it.each([
    ["jobs", "--list", "a:10:10", "--svg", "/nowhere/x.svg"],
    ["run", "apps/hypervisor/scenarios/a-job-moves.yaml", "--perfetto", "/nowhere/x.json"],
    ["compare", "--svg", "/nowhere/x.svg"],
    ["trace", "sim", "migration", "--svg", "/nowhere/x.svg"],
    ["lesson", "system-call", "--svg", "/nowhere/x.svg"],
    ["bench", "locks", "--svg", "/nowhere/x.svg"],
    ["sched", "compare", "--svg", "/nowhere/x.svg"],
    ["sched", "headline", "gang", "--svg", "/nowhere/x.svg"],
    ["sched", "conform", "--log", "/nowhere/x.log"],
  ])("has not begun where it could not write its result: %s", (...args) => {
    const { code, out } = backplane(...args, "--json")
    expect(code).toBe(2)
    expect(JSON.parse(out)).toMatchObject({ error: { message: expect.stringContaining("there is no folder /nowhere") } })
  })

  it.each([
    ["sched", "storm", "--machines", "3"],
    ["sched", "storm", "--live", "--machines", "100"],
    ["sched", "swap", "rr", "--now", "--shadow-only"],
    ["sched", "compare", "--live", "--policies", "./mine.ts"],
    ["cpu", "offline", "x"],
  ])("was asked wrongly and ends with 2, stack or not: %s %s %s", (...args) => {
    expect(backplane(...args).code).toBe(2)
  })

  it("but help and version are no failures", () => {
    for (const flag of ["--help", "--version"]) expect(backplane(flag)).toMatchObject({ code: 0, err: "" })
  })
})
