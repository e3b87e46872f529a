/**
 * Disks of VMs on the real stack: in the replicated store, while its shards are killed one after another and after a restart of everything;
 * over an image, after the death of the node's process.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 240_000
const ROOT = join(import.meta.dirname, "../../..")
const CLI = join(ROOT, "apps/cli/src/main.ts")
const KERNEL = join(ROOT, "tools/guests/images/kernel.bin")
const SHARDS = [0, 1, 2]
/** Nothing but what the test brings: whoever else runs makes its guests slower. */
const SCENARIO = `
name: demo
topology: { nodes: 2, cpus: 2, framesPerNode: 16384 }
schedule: { policy: cfs, sliceTicks: 2 }
clock: { mode: free, tickCycles: 1000000, latencyCycles: 50000, cyclesPerSecond: 100000000 }
jobs: []
`

describe.skipIf(kind !== "program")("disks of VMs on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (args: readonly string[], input?: string): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["pipe", "pipe", "pipe"] })
    child.stdin.end(input ?? "")
    return finished(child)
  }
  const json = async (args: readonly string[]): Promise<unknown> => {
    const { code, output } = await cli([...args, "--json"])
    if (code !== 0) throw new Error(`${args.join(" ")}: ${output}`)
    return JSON.parse(output) as unknown
  }
  /** What comes of these lines at its shell; the whole history of the console comes before it. */
  const shell = async (vm: string, ...lines: readonly string[]): Promise<string> => {
    const { output } = await cli(["console", vm], lines.map((line) => `${line}\n`).join(""))
    return output.slice(output.lastIndexOf(lines[0] ?? ""))
  }
  /** What an earlier try left. */
  const clear = async (vms: readonly string[], disks: readonly string[]): Promise<void> => {
    for (const vm of vms) await cli(["vm", "destroy", vm])
    for (const disk of disks) for (const what of ["release", "delete"]) await cli(["disk", what, disk])
  }
  const up = (): Promise<Finished> => stack.upReal("--scenario", join(stack.home, "small.yaml"))
  const untilSo = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 200; tries++) if (await isSo()) return
    throw new Error(`never: ${what}`)
  }
  const bootsOf = async (name: string): Promise<{ readonly state: string; readonly life: number }> => {
    const { vms } = (await json(["vm", "list"])) as { vms: { spec: { name: string }; state: string; life: number }[] }
    return vms.find(({ spec }) => spec.name === name) ?? { state: "none", life: 0 }
  }

  beforeAll(async () => {
    writeFileSync(join(stack.home, "small.yaml"), SCENARIO)
    expect(await up()).toMatchObject({ code: 0 })
  }, DEADLINE_MS)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it(
    "a guest on a disk in the store notices nothing of shards that are killed; snapshot and clone keep what was there",
    async ({ task }) => {
      if ((task.result?.retryCount ?? 0) > 0) await clear(["guest", "other"], ["second", "data@1", "data", "kernel"])
      expect(await json(["disk", "create", "kernel", "--from", KERNEL])).toEqual({ disk: "kernel", bytes: readFileSync(KERNEL).length })
      expect(await json(["disk", "create", "data", "--size", "6M"])).toEqual({ disk: "data", bytes: 6 * 2 ** 20 })
      const create = ["vm", "create", "guest", "--kernel", "kv:kernel", "--disk", "kv:data", "--memory", "8M", "--restartable"]
      expect(await json(create)).toMatchObject({ state: "running" })
      for (const shard of SHARDS) {
        process.kill(stack.pidOf(`kv-shard-${shard}`), "SIGKILL")
        const first = shard === 0 ? ["format"] : []
        expect(await shell("guest", ...first, `save file-${shard} round-${shard}`, `cat file-${shard}`)).toMatch(
          new RegExp(`[$] round-${shard}\r?\n`),
        )
      }
      expect(await json(["disk", "snapshot", "data", "data@1"])).toMatchObject({ kind: "snapshot" })
      expect(await shell("guest", "rm file-0", "save file-0 later", "cat file-0")).toMatch(/(^|\n|[$] )later\r?\n/)
      expect(await json(["disk", "clone", "data@1", "second"])).toMatchObject({ origin: "data@1" })
      await json(["vm", "create", "other", "--kernel", "kv:kernel", "--disk", "kv:second", "--memory", "8M"])
      expect(await shell("other", "cat file-0")).toMatch(/(^|\n|[$] )round-0\r?\n/)
    },
    DEADLINE_MS,
  )

  it(
    "what a guest wrote is there after the death of its node: in the store, and over an image",
    async ({ task }) => {
      if ((task.result?.retryCount ?? 0) > 0) await clear(["over"], [])
      const image = join(stack.home, "disk.img")
      writeFileSync(image, Buffer.alloc(2 ** 20))
      await json(["vm", "create", "over", "--kernel", KERNEL, "--disk", image, "--memory", "8M", "--restartable"])
      expect(await shell("over", "disk write 9 kept")).toContain("bytes=")
      const before = { guest: (await bootsOf("guest")).life, over: (await bootsOf("over")).life }
      for (const node of [0, 1]) process.kill(stack.pidOf(`numa-node-${node}`), "SIGKILL")
      for (const name of ["guest", "over"] as const)
        await untilSo(`${name} boots again`, async () => {
          const { state, life } = await bootsOf(name)
          return state === "running" && life > before[name]
        })
      expect(await shell("guest", "cat file-1")).toMatch(/(^|\n|[$] )round-1\r?\n/)
      expect(await shell("over", "disk read 9")).toMatch(/(^|\n|[$] )kept\r?\n/)
    },
    DEADLINE_MS,
  )

  it(
    "a disk in the store is there after a restart of everything",
    async ({ task }) => {
      if ((task.result?.retryCount ?? 0) > 0) await clear(["guest"], [])
      expect((await stack.run("down")).code).toBe(0)
      expect(await up()).toMatchObject({ code: 0 })
      const names = ((await json(["disk", "list"])) as { disks: { name: string }[] }).disks.map(({ name }) => name)
      expect(names).toEqual(["data", "data@1", "kernel", "second"])
      await json(["vm", "create", "guest", "--kernel", "kv:kernel", "--disk", "kv:data", "--memory", "8M"])
      const said = await shell("guest", ...SHARDS.map((shard) => `cat file-${shard}`))
      for (const text of ["later", "round-1", "round-2"]) expect(said).toContain(`${text}\r\n`)
    },
    DEADLINE_MS,
  )

  it(
    "a disk can be taken from its VM, and only what no disk names goes with a sweep",
    async () => {
      const inUse = await cli(["disk", "delete", "data"])
      expect([inUse.code, inUse.output]).toEqual([1, expect.stringContaining("kv:data is in use by demo/guest/")])
      expect(await json(["disk", "release", "data"])).toEqual({ disk: "data", owner: expect.stringMatching(/^demo\/guest\/\d+$/) })
      // The VM goes on, but what it writes does not reach the disk.
      expect(await shell("guest", "save file-3 lost", "cat file-3")).not.toMatch(/(^|\n|[$] )lost\r?\n/)
      expect(await json(["disk", "delete", "data"])).toEqual({ disk: "data" })
      const { blocks, removed } = (await json(["disk", "sweep"])) as { blocks: number; removed: number }
      expect([removed > 0, removed < blocks]).toEqual([true, true])
      expect(await json(["disk", "sweep"])).toEqual({ blocks: blocks - removed, removed: 0 })
      const file = join(stack.home, "second.img")
      await json(["disk", "read", "second", file])
      expect(readFileSync(file).includes("round-0")).toBe(true)
      // Its VM was one of the machine before the restart, and gave nothing back.
      expect(await json(["disk", "release", "second"])).toMatchObject({ owner: expect.stringMatching(/^demo\/other\//) })
      for (const name of ["kernel", "data@1", "second"]) await json(["disk", "delete", name])
      expect(await json(["disk", "sweep"])).toEqual({ blocks: blocks - removed, removed: blocks - removed })
    },
    DEADLINE_MS,
  )
})
