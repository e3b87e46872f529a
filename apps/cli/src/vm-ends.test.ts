/** A run that lost or refused a VM says so: in the table, as JSON, and by its exit code. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { VmEnd } from "@backplane/trap-hypervisor/run-result"
import { afterAll, describe, expect, it } from "vitest"
import { vmFailure, vmRows } from "./vm-ends.ts"

const COMMAND_MS = 120_000
const folder = mkdtempSync(join(tmpdir(), "backplane-vm-ends-"))

afterAll(() => {
  rmSync(folder, { recursive: true })
})

const OUTCOME = { exit: 0, reason: "finisher", instructions: 41, console: "", consoleBytes: 0, state: "8d4f" } as const
const ENDED: VmEnd = { state: "ended", boots: 2, outcome: OUTCOME }
const LOST: VmEnd = { state: "lost", boots: 1, reason: "node 0 silent", outcome: null }
const REFUSED: VmEnd = { state: "refused", boots: 1, reason: "memoryBytes: node 0 has 420 frames left, give less", outcome: null }

describe("the VMs of a run", () => {
  it("have a line each", () => {
    expect(vmRows({ one: ENDED, two: LOST, three: REFUSED, four: { ...ENDED, state: "stopped", outcome: null } })).toEqual([
      "  VM one: finisher, exit 0; 2 boots, 41 instructions, state 8d4f",
      "  VM two: lost: node 0 silent; 1 boot",
      "  VM three: refused: memoryBytes: node 0 has 420 frames left, give less",
      "  VM four: stopped, 2 boots",
    ])
    expect(vmRows()).toEqual([])
  })

  it("that ended are no failure, whatever their exit", () => {
    expect([vmFailure(), vmFailure({ one: { ...ENDED, outcome: { ...OUTCOME, exit: 3 } } })]).toEqual([null, null])
  })

  it("that were lost or refused are one, with name, reason and remedy", () => {
    const failure = vmFailure({ one: ENDED, two: LOST, three: REFUSED })
    expect(failure).toMatchObject({ kind: "vm-lost", exitCode: 1, details: { vms: ["two", "three"] } })
    expect(failure?.message).toMatch(
      /^VM two was lost \(node 0 silent\); VM three was refused \(memoryBytes.*give less\); `restartable: true`/,
    )
    expect(vmFailure({ three: REFUSED })).toMatchObject({ kind: "vm-refused", details: { vms: ["three"] } })
  })
})

describe("backplane run", { timeout: COMMAND_MS }, () => {
  const kernel = join(import.meta.dirname, "../../../tools/guests/images/kernel.bin")
  const scenario = join(folder, "refused.yaml")
  const vm = (name: string, memoryBytes: number): object => ({
    name,
    kernel,
    append: "run=echo hi",
    memoryBytes,
    instructionsPerTick: 50_000,
  })
  const spec = {
    name: "short",
    topology: { nodes: 1, cpus: 1, framesPerNode: 2000 },
    jobs: [],
    vms: [vm("fits", 4 << 20), vm("large", 8 << 20)],
  }
  writeFileSync(scenario, JSON.stringify(spec))
  const backplane = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), "run", scenario, ...args], { encoding: "utf8", timeout: COMMAND_MS })

  it("ends with 1 where a VM was refused, and says which and why on the table and on standard error", () => {
    const { status, stdout, stderr } = backplane()
    expect(status).toBe(1)
    expect(stdout).toMatch(/ {2}VM fits: \S+, exit 0; 1 boot.*\n {2}VM large: refused: memoryBytes: node 0 has \d+ frames left/)
    expect(stderr).toMatch(/^backplane: VM large was refused \(memoryBytes: .*give less\); .*\n$/)
  })

  it("says it as JSON in one object beside the result", () => {
    const { status, stdout } = backplane("--json")
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      vms: { fits: { state: "ended" }, large: { state: "refused" } },
      error: { kind: "vm-refused", vms: ["large"], message: expect.stringContaining("memoryBytes") },
    })
  })
})
