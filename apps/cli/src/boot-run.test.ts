/** `backplane boot` from flags to report, on guests of our own. */
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { planOf, type BootFlags, type BootStep } from "./boot-flags.ts"
import { runBoot } from "./boot-run.ts"

const image = (name: string): string => fileURLToPath(new URL(`../../../tools/guests/images/${name}.elf`, import.meta.url))
const flags = (change: Partial<BootFlags>): BootFlags => ({
  kernel: image("echo"),
  cpus: 1,
  memory: 16 << 20,
  mode: "trap",
  trapPath: "resident",
  ...change,
})

function boot(change: Partial<BootFlags>, steps: readonly BootStep[] = []) {
  const heard: string[] = []
  const { report } = runBoot(flags({ maxInstructions: 20_000_000, ...change }), { steps, emit: (text) => heard.push(text) })
  return { ...report, transcript: heard.join("") }
}

const STEPS: readonly BootStep[] = [
  { kind: "expect", text: "end with a dot\n" },
  { kind: "type", text: "hello" },
  { kind: "expect", text: "HELLO" },
  { kind: "type", text: "." },
  { kind: "expect", text: "echo: ok" },
]

describe("boot", () => {
  it("talks with a guest in every mode and with every mmu", () => {
    const machines = [
      ...["native", "trap", "assist", "para"].map((mode) => ({ mode })),
      ...["nested", "softtlb", "softtlb,l2"].map((mmu) => ({ mode: "trap", mmu })),
      { mode: "native", mmu: "softtlb" },
    ]
    for (const machine of machines) {
      const { mode } = machine
      const report = boot(machine, STEPS)
      expect({ mode, ok: report.ok, exit: report.exit }).toEqual({ mode, ok: true, exit: 0 })
      expect(report.transcript).toContain("HELLO\n")
    }
  })

  it("says by cause what left the guest, and less of it in assist", () => {
    const [trap, assist] = ["trap", "assist"].map((mode) => boot({ mode, kernel: image("paging") }))
    expect([trap?.exits["csr"], assist?.exits["csr"], assist?.assisted?.["csr"]]).toEqual([
      trap?.exits["csr"],
      undefined,
      trap?.exits["csr"],
    ])
    expect(trap?.instructions).toBe(assist?.instructions)
  })

  it("does not call a guest done that never said what was awaited", () => {
    expect(boot({ kernel: image("sleep") }, [{ kind: "expect", text: "login:" }])).toMatchObject({ ok: false, exit: 124, reason: "idle" })
    expect(boot({ kernel: image("spin"), maxInstructions: 1000 })).toMatchObject({
      ok: false,
      exit: 124,
      reason: "limit",
      instructions: 1000,
    })
    expect(boot({ kernel: image("fail") })).toMatchObject({ ok: false, exit: 42, reason: "finisher" })
  })

  it("refuses by name what is not built", () => {
    const cases: readonly (readonly [Partial<BootFlags>, string])[] = [
      [{ mode: "turbo" }, "--mode"],
      [{ mmu: "walk" }, "--mmu"],
      [{ mode: "native", mmu: "nested" }, "--mmu"],
      [{ mode: "native", mmu: "shadow" }, "--mmu"],
      [{ trapPath: "bus" }, "--trap-path"],
      [{ nodes: "2" }, "--nodes"],
    ]
    for (const [change, field] of cases) expect(() => planOf(flags(change))).toThrow(`${field}: `)
    expect(() => boot({ memory: 5000 })).toThrow("--memory: ")
    expect(() => boot({ cpus: 1000 })).toThrow("--cpus: ")
    expect(() => boot({ kernel: image("none") })).toThrow("cannot read")
    expect(() => boot({ saveDisk: "x" })).toThrow("--save-disk: ")
  })
})
