/**
 * Virtual machines on the real stack, over NATS: those of the default machine and one that an operator brings; its console, its pause, its
 * disk, its end; a node's process that is killed; and the state in which a guest ends, which is that of the simulation, and of a run without a machine.
 */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 180_000
const ROOT = join(import.meta.dirname, "../../..")
const CLI = join(ROOT, "apps/cli/src/main.ts")
const KERNEL = join(ROOT, "tools/guests/images/kernel.bin")
const PAGING = join(ROOT, "tools/guests/images/paging.elf")
const ECHO = join(ROOT, "tools/guests/images/echo.elf")
const SCENARIO = join(ROOT, "apps/hypervisor/scenarios/vms.yaml")
const OVER_TWO_NODES = join(ROOT, "apps/hypervisor/scenarios/a-vm-over-two-nodes.yaml")
const MIB = 2 ** 20
const DEFAULT_VMS = ["alpha", "beta", "gamma"]

interface Listed {
  readonly spec: { readonly name: string }
  readonly state: string
  readonly life: number
  readonly node: number | null
}

describe.skipIf(kind !== "program")("virtual machines on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (args: readonly string[], input?: string, errors: "ignore" | "pipe" = "ignore"): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["pipe", "pipe", errors] })
    child.stdin?.end(input ?? "")
    return finished(child)
  }
  const list = async (): Promise<readonly Listed[]> => (JSON.parse((await cli(["vm", "list", "--json"])).output) as { vms: Listed[] }).vms
  const vm = async (name: string): Promise<Listed | undefined> => (await list()).find(({ spec }) => spec.name === name)
  const instructionsOf = async (name: string): Promise<number> => {
    const { onNode } = JSON.parse((await cli(["vm", "inspect", name, "--json"])).output) as { onNode: { instructions: number } | null }
    return onNode?.instructions ?? -1
  }
  const untilSo = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) if (await isSo()) return
    throw new Error(`never: ${what}`)
  }

  beforeAll(async () => {
    expect(await stack.upReal()).toMatchObject({ code: 0 })
  }, DEADLINE_MS)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it(
    "the default machine's VMs boot, and each has its shell at its console",
    async () => {
      await untilSo("all run", async () => (await list()).filter(({ state }) => state === "running").length === 3)
      const { code, output } = await cli(["console", "alpha"], "true\nmemory\n")
      expect(code).toBe(0)
      expect(output).toContain("kernel: 1 harts, 16 MiB")
      expect(output).toMatch(/free_pages=\d+/)
    },
    DEADLINE_MS,
  )

  it(
    "a VM that is brought: a disk of many pieces, a paste of more than a FIFO, a pause in which nothing is retired, an end without rest",
    async ({ task }) => {
      // What an earlier try left.
      if ((task.result?.retryCount ?? 0) > 0) for (const name of ["mine", "talk"]) await cli(["vm", "destroy", name])
      const disk = join(stack.home, "disk.img")
      writeFileSync(disk, Buffer.alloc(3 * MIB, "backplane "))
      const create = ["vm", "create", "mine", "--kernel", KERNEL, "--memory", "8M", "--disk", disk, "--node", "0", "--json"]
      expect(JSON.parse((await cli(create)).output)).toMatchObject({ vm: "mine", state: "running", node: 0 })
      expect((await cli(["console", "mine"], "disk write 7 kept\n")).output).toContain("6144 sectors of disk")
      expect((await cli(["vm", "stop", "mine", "--json"])).output).toContain('"stopped"')
      expect((await cli(["vm", "start", "mine", "--json"])).output).toContain('"running"')
      expect((await cli(["console", "mine"], "disk read 7\n")).output.split("disk read 7").at(-1)).toContain("kept")
      await cli(["vm", "pause", "mine"])
      const before = await instructionsOf("mine")
      expect([await instructionsOf("mine"), before > 0]).toEqual([before, true])
      expect((await cli(["vm", "resume", "mine", "--json"])).output).toContain('"running"')
      expect((await cli(["vm", "destroy", "mine", "--json"])).output).toContain('"destroyed"')
      expect(await vm("mine")).toBeUndefined()

      await cli(["vm", "create", "talk", "--kernel", ECHO, "--memory", "8M"])
      const lines = Array.from({ length: 100 }, (_, line) => `line ${line} of a paste\n`).join("")
      const { output } = await cli(["console", "talk"], `${lines}.\n`)
      expect(output).toContain(lines.toUpperCase())
      await untilSo("it ended", async () => (await vm("talk"))?.state === "ended")
      expect((await cli(["vm", "create", "talk", "--kernel", ECHO])).code).toBe(1)
      // What is no kernel never runs, and leaves no name behind.
      const refused = await cli(["vm", "create", "none", "--kernel", disk, "--json"])
      expect([refused.code, refused.output]).toEqual([1, expect.stringContaining("none is refused: ")])
      expect(await vm("none")).toBeUndefined()
      // A pipe into a VM that is over: said plainly, with what was not taken.
      const late = await cli(["console", "talk"], "too late\n", "pipe")
      expect([late.code, late.output]).toEqual([1, expect.stringContaining("talk is ended; the last 9 bytes of the input were not taken")])
    },
    DEADLINE_MS,
  )

  it(
    "a VM moves to another node with what its guest has in memory, and is traced over all three services; what cannot move says why",
    async () => {
      await untilSo("all run", async () => (await list()).filter(({ state }) => state === "running").length >= 3)
      for (const name of ["alpha", "beta", "gamma"]) {
        const { node: from = 0, life: boots } = (await vm(name)) ?? {}
        const to = 1 - (from ?? 0)
        const { code, output } = await cli(["vm", "move", name, "--to", String(to), "--json"])
        expect([name, code, JSON.parse(output)]).toMatchObject([
          name,
          0,
          { vm: name, from, to, verdict: "moved", pages: expect.any(Number) },
        ])
        expect(await vm(name)).toMatchObject({ state: "running", node: to, life: boots })
        expect(await instructionsOf(name)).toBeGreaterThan(0)
        // Each exit of gamma goes over the bus: on a busy computer its shell is slower than a session's patience.
        const { output: heard } = name === "gamma" ? { output: "" } : await cli(["console", name], "forks 3\n")
        if (name !== "gamma") expect([name, heard.includes("forks: count=3"), heard.split("kernel: ").length]).toEqual([name, true, 2]) // one boot
        const again = await cli(["vm", "move", name, "--to", String(to)], "", "pipe")
        expect([again.code, again.output]).toEqual([1, expect.stringContaining(`${name} is on node ${to} already`)])
      }
      const trace = await cli(["trace", "last", "vm-move"])
      for (const part of ["vm.move", "vm.stop", "vm.copy", "hypervisor.0", "node.0", "node.1"]) expect(trace.output).toContain(part)
      expect((await cli(["vm", "move", "nobody", "--to", "1"])).code).toBe(1)
    },
    DEADLINE_MS,
  )

  it(
    "in lock-step a live run with VMs is the simulation, byte for byte",
    async () => {
      for (const scenario of [SCENARIO, OVER_TWO_NODES]) {
        const [live, simulated] = [await cli(["run", scenario, "--live", "--json"]), await cli(["run", scenario, "--sim", "--json"])]
        expect([scenario, live.code]).toEqual([scenario, 0])
        expect(live.output.replace('"bus":"nats"', '"bus":"sim"')).toBe(simulated.output)
      }
    },
    DEADLINE_MS,
  )

  it(
    "a VM over two nodes: its harts run in two processes, its disk is read and written, its pages are the memory controller's; it goes without a rest",
    async ({ task }) => {
      if ((task.result?.retryCount ?? 0) > 0) await cli(["vm", "destroy", "wide"])
      const disk = join(stack.home, "wide.img")
      writeFileSync(disk, Buffer.alloc(MIB, "backplane "))
      const shape = ["--kernel", KERNEL, "--disk", disk, "--memory", "8M", "--cpus", "2", "--mode", "assist"]
      expect(JSON.parse((await cli(["vm", "create", "wide", ...shape, "--span", "0,1", "--json"])).output)).toMatchObject({
        state: "running",
      })
      const { output } = await cli(["console", "wide", "--wait", "10"], "disk write 7 kept\nforks 3\npingpong 5\ndisk read 7\n")
      expect(output).toContain("kernel: 2 harts")
      expect(output).toContain("forks: count=3")
      expect(output).toContain("pingpong: count=5")
      expect(output.split("disk read 7").at(-1)).toContain("kept")
      const stats = JSON.parse((await cli(["memory", "stats", "--json"])).output) as {
        spaces: { space: string; reads: number[]; writes: number[] }[]
      }
      const space = stats.spaces.find((each) => each.space.startsWith("vm.wide."))
      for (const node of [0, 1]) expect([node, (space?.writes[node] ?? 0) > 10]).toEqual([node, true])
      const refused = await cli(["vm", "move", "wide", "--to", "1"], "", "pipe")
      expect([refused.code, refused.output]).toEqual([1, expect.stringContaining("span: wide lies on nodes 0 and 1")])
      const wrong = await cli(["vm", "create", "other", ...shape, "--span", "0,1", "--mmu", "shadow"], "", "pipe")
      expect([wrong.code, wrong.output]).toEqual([
        1,
        expect.stringContaining("--mmu: shadow is not built for a VM over several nodes; give nested"),
      ])
      expect((await cli(["vm", "destroy", "wide", "--json"])).output).toContain('"destroyed"')
      expect((await cli(["memory", "stats"])).output).not.toContain("vm.wide.")
    },
    DEADLINE_MS,
  )

  it(
    "a guest ends in one state: natively in one process, and on machines over NATS with its exits in the node and over the bus",
    async () => {
      const stateOf = async (...how: readonly string[]): Promise<unknown> => {
        const { output } = await cli(["boot", "--kernel", PAGING, "--memory", "4M", "--json", ...how])
        const { ok, state, instructions } = JSON.parse(output) as { ok: boolean; state: string; instructions: number }
        return { ok, state, instructions }
      }
      const alone = await stateOf("--mode", "native")
      expect(alone).toMatchObject({ ok: true, state: expect.stringMatching(/^[0-9a-f]{16}$/) })
      const machines = ["trap nested bus", "assist shadow resident"]
      for (const machine of machines) {
        const [mode = "", mmu = "", path = ""] = machine.split(" ")
        expect([machine, await stateOf("--live", "--mode", mode, "--mmu", mmu, "--trap-path", path)]).toEqual([machine, alone])
      }
    },
    DEADLINE_MS,
  )

  it(
    "kill -9 of a node's process: its VMs boot again where they may, and the others go on",
    async () => {
      // A busy computer may have made a node look silent before: what counts is one boot more than there were.
      const { node: victim, life: before } = (await vm("alpha")) ?? { node: 0, life: 0 }
      process.kill(stack.pidOf(`numa-node-${victim}`), "SIGKILL")
      await untilSo("it boots again", async () => {
        const alpha = await vm("alpha")
        return alpha?.state === "running" && alpha.life > before
      })
      expect((await cli(["console", "alpha"], "true\n")).output).toContain("kernel: 1 harts")
      await untilSo("the others run", async () => {
        const others = (await list()).filter(({ spec }) => DEFAULT_VMS.includes(spec.name))
        return others.length === DEFAULT_VMS.length && others.every(({ state }) => state === "running")
      })
    },
    DEADLINE_MS,
  )
})
