/** `backplane boot` from flags to report, on guests of our own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
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

/** Hart 0 counts down from 2^20 and ends the machine; the others store a word and turn interrupts off and on, for ever. */
function goesRound(): Uint8Array {
  // bnez a0, others; x5 = 2^20; addi x5, x5, -1; bnez back; 0x5555 to the finisher.
  const works = [0x02051063, 0x001002b7, 0xfff28293, 0xfe029ee3, 0x00005337, 0x55530313, 0x001003b7, 0x0063a023]
  // auipc x5, 0; sw x0, 64(x5); csrci sstatus, 2; csrsi sstatus, 2; back.
  const others = [0x00000297, 0x0402a023, 0x10017073, 0x10016073, 0xff5ff06f]
  const data = Uint8Array.from(Buffer.concat([...works, ...others].map((word) => Buffer.from(Uint32Array.of(word).buffer))))
  const entry = 0x8000_0000n
  return buildElf({ entry, segments: [{ virtualAddress: entry, physicalAddress: entry, data, memoryBytes: 4096n }], symbols: [] })
}

const STEPS: readonly BootStep[] = [
  { kind: "expect", text: "end with a dot\n" },
  { kind: "type", text: "hello" },
  { kind: "expect", text: "HELLO" },
  { kind: "type", text: "." },
  { kind: "expect", text: "echo: ok" },
]

describe("boot", () => {
  it("says the state in which the guest ended: the same in every mode and mmu, and none where it was left in the middle", () => {
    const machines = [{ mode: "native" }, ...["trap", "assist"].flatMap((mode) => ["shadow", "nested"].map((mmu) => ({ mode, mmu })))]
    const states = machines.map((machine) => boot({ kernel: image("paging"), ...machine }).state)
    expect(states[0]).toMatch(/^[0-9a-f]{16}$/)
    expect(new Set(states).size).toBe(1)
    expect(boot({ kernel: image("paging"), maxInstructions: 100 })).not.toHaveProperty("state")
  })

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
    const waits = boot({ kernel: image("sleep") }, [{ kind: "expect", text: "login:" }])
    expect(waits).toMatchObject({ ok: false, exit: 124, reason: "idle" })
    expect(waits.message).toMatch(/^still waiting for "login:", and every vCPU waits/)
    expect(boot({ kernel: image("sleep") }).message).toContain("give --type or --stdin, or --live for a terminal")
    expect(boot({ kernel: image("spin"), maxInstructions: 1000 })).toMatchObject({
      ok: false,
      exit: 124,
      reason: "limit",
      instructions: 1000,
    })
    expect(boot({ kernel: image("fail") })).toMatchObject({ ok: false, exit: 42, reason: "finisher" })
  })

  it("with several CPUs, those that go round with nothing to do give way unless they shall run on", () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-boot-"))
    try {
      const kernel = join(folder, "goes-round.elf")
      writeFileSync(kernel, goesRound())
      const run = (change: Partial<BootFlags>) => boot({ kernel, cpus: 3, mode: "native", ...change })
      const [usual, on, asked] = [run({}), run({ polling: "run" }), run({ polling: "give-way" })]
      expect([usual, on, asked].map(({ ok }) => ok)).toEqual([true, true, true])
      expect(on.instructions).toBeGreaterThan(6_000_000)
      expect(usual.instructions).toBeLessThan(2_200_000) // of which 2,097,157 are hart 0's
      expect(asked.instructions).toBe(usual.instructions)
      expect(run({ mode: "assist", mmu: "nested" }).instructions).toBeLessThan(2_200_000)
    } finally {
      rmSync(folder, { recursive: true })
    }
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
    // Before the guest runs: what it writes shall not be lost.
    const disk = import.meta.filename
    for (const saveDisk of ["/nowhere/at/all/disk.img", import.meta.dirname])
      expect(() => boot({ kernel: image("spin"), disk, saveDisk, maxInstructions: 1e12 })).toThrow(/^--save-disk: .*; give a file that/)
  })
})

describe("a timed boot", () => {
  const timed = (change: Partial<BootFlags>) => boot({ kernel: image("paging"), fidelity: "timed", ...change })

  it("does what a functional one does, and accounts for its time", () => {
    const functional = boot({ kernel: image("paging") })
    const report = timed({ timing: "disco1997" })
    expect(report).toMatchObject({ ok: true, exit: 0, instructions: functional.instructions, exits: functional.exits })
    expect(functional.timing).toBeUndefined()
    const { timing } = report
    expect(timing).toMatchObject({ preset: "disco1997", clockMegahertz: 400, nodes: 1 })
    expect(timing?.cpus[0]?.tlbMisses).toBeGreaterThan(0)
    expect(timing?.cpus[0]?.cycles).toBeGreaterThan(report.instructions)
    expect(timing?.cycles).toBe((timing?.cpus[0]?.cycles ?? 0) + (timing?.eventCycles ?? 0))
  })

  it("charges exits by cause, and none natively for what is an instruction there", () => {
    const [trap, native] = [timed({}).timing, timed({ mode: "native" }).timing]
    expect(trap?.events["csr"]?.cycles).toBe((trap?.events["csr"]?.count ?? 0) * 1500)
    expect(native?.events["csr"]?.cycles).toBe(0)
    expect(trap?.eventCycles).toBeGreaterThan(5 * (native?.eventCycles ?? 0))
  })

  it("is slower where memory is farther, and the same again", () => {
    const run = (change: Partial<BootFlags>) => boot({ kernel: image("smp"), mode: "native", cpus: 4, fidelity: "timed", ...change })
    const near = run({})
    const far = run({ nodes: "4", placement: "interleave" })
    expect([near.ok, far.ok]).toEqual([true, true])
    expect(far.timing?.cpus.map(({ node }) => node)).toEqual([0, 1, 2, 3])
    expect(far.timing?.cycles).toBeGreaterThan(near.timing?.cycles ?? Infinity)
    expect(run({ nodes: "4", placement: "interleave" }).timing).toEqual(far.timing)
  })

  it("takes costs from a scenario file", () => {
    const folder = mkdtempSync(join(tmpdir(), "costs-"))
    try {
      const file = (text: string): string => {
        writeFileSync(join(folder, "costs.yaml"), text)
        return join(folder, "costs.yaml")
      }
      const slow = timed({ timing: file("timing:\n  preset: disco1997\n  memory: { localNanoseconds: 3000, remoteNanoseconds: 9000 }\n") })
      const [ours, preset] = [slow, timed({ timing: "disco1997" })].map(({ timing }) => timing?.cpus[0]?.cycles ?? 0)
      expect(ours).toBeGreaterThan(2 * (preset ?? Infinity))
      expect(() => timed({ timing: file("timing: { bus: { colour: 1 } }\n") })).toThrow("timing.bus")
      expect(() => timed({ timing: file("name: x\n") })).toThrow("no field timing")
      expect(() => timed({ timing: file("timing: { tlb: { ways: 5 } }\n") })).toThrow("timing.tlb.ways")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it.each<[Partial<BootFlags>, string]>([
    [{ fidelity: "exact" }, "--fidelity"],
    [{ fidelity: "timed", timing: "pdp11" }, "--timing"],
    [{ fidelity: "timed", placement: "best" }, "--placement"],
    [{ fidelity: "timed", nodes: "2", mode: "native" }, "--nodes"],
    [{ timing: "modern" }, "--timing"],
    [{ nodes: "2" }, "--nodes"],
  ])("refuses %j by its flag", (change, flag) => {
    expect(() => boot({ kernel: image("paging"), ...change })).toThrow(flag)
  })
})
