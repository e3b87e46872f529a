/** `backplane boot --nodes`: what it refuses, by flag, and our kernel with a hart on each of two nodes. */
import { fileURLToPath } from "node:url"
import { afterEach, describe, expect, it, vi } from "vitest"
import { bootOverNodes, checkOverNodes, isOverNodes } from "./boot-over-nodes.ts"
import { bootOnMachine } from "./boot-on-machine.ts"
import type { BootFlags } from "./boot-flags.ts"

const KERNEL = fileURLToPath(new URL("../../../tools/guests/images/kernel.bin", import.meta.url))
const flags = (change: Partial<BootFlags> = {}): BootFlags => ({
  ...{ kernel: KERNEL, cpus: 2, memory: 16 << 20, mode: "native", trapPath: "resident", nodes: "2" },
  ...change,
})

afterEach(() => vi.restoreAllMocks())

describe("boot over nodes", () => {
  it("is for more than one node, and not for timed runs, which have an account of nodes of their own", () => {
    expect(isOverNodes(flags())).toBe(true)
    expect(isOverNodes(flags({ nodes: "1" }))).toBe(false)
    expect(isOverNodes(flags({ fidelity: "timed" }))).toBe(false)
    expect(checkOverNodes(flags())).toBe(2)
  })

  it.each([
    [{ nodes: "two" }, "--nodes: two is no count"],
    [{ nodes: "0" }, "--nodes: 0 is no count"],
    [{ nodes: "3" }, "--nodes: 3 nodes have no hart each"],
    [{ mode: "ring" }, "--mode: there is no ring"],
    [{ mmu: "softtlb" }, "--mmu: softtlb is not built over several nodes"],
    [{ disk: "kv:root" }, "--disk: a disk in the store is not built"],
    [{ append: "run=ls" }, "--append: not built for a guest over several nodes"],
    [{ saveDisk: "x.img" }, "--save-disk: not built"],
    [{ sim: true, live: true } as const, "--live: --sim and --live exclude each other"],
  ])("refuses %j", (change, message) => {
    expect(() => checkOverNodes(flags(change))).toThrow(message)
  })

  it("is a VM on each of them under a VMM, in simulation where nothing else is said; what such a VM cannot have is refused by flag", async () => {
    const said = vi.spyOn(console, "log").mockReturnValue()
    const steps = [
      { kind: "expect", text: "$ " },
      { kind: "type", text: "forks 3" },
      { kind: "expect", text: "forks: count=3" },
    ] as const
    expect(await bootOnMachine(flags({ mode: "assist", json: true }), steps, "")).toBe(0)
    const report = JSON.parse(String(said.mock.calls[0]?.[0])) as { readonly exits: Readonly<Record<string, number>> }
    expect(report).toMatchObject({ ok: true, reason: "steps-done", bus: "sim", mode: "assist", cpus: 2 })
    expect(report.exits["remote-page"]).toBeGreaterThan(10)
    const refused = async (change: Partial<BootFlags>): Promise<string> => {
      return bootOnMachine(flags({ mode: "assist", ...change }), steps, "").then(
        () => "taken",
        (error: unknown) => String(error),
      )
    }
    expect(await refused({ mmu: "shadow" })).toContain("--mmu: shadow is not built for a VM over several nodes; give nested")
    expect(await refused({ nodes: "3" })).toContain("--nodes: 3 nodes have no hart each")
  }, 60_000)

  it("boots our kernel with a hart on each of two nodes and reports as any boot does", async () => {
    const said = vi.spyOn(console, "log").mockReturnValue()
    const exit = await bootOverNodes(flags({ json: true }), [
      { kind: "expect", text: "$ " },
      { kind: "type", text: "echo over two" },
      { kind: "expect", text: "over two\r\nover two" },
    ])
    const report: unknown = JSON.parse(String(said.mock.calls[0]?.[0]))
    expect(report).toMatchObject({ ok: true, exit: 0, reason: "steps-done", bus: "sim", mode: "native", cpus: 2, nodes: 2, exits: {} })
    expect(exit).toBe(0)
  }, 60_000)
})
