/** `backplane chaos machine` in a short form, on a stack of its own: schedulers, a shard and the memory controller are killed under jobs and a guest. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const DEADLINE_MS = 240_000
const CLI = join(import.meta.dirname, "../../../apps/cli/src/main.ts")

describe.skipIf(kind !== "program")("a machine whose processes are killed (needs the nats-server program)", () => {
  it(
    "jobs end as undisturbed, none is begun again, and what a guest saved is there",
    async () => {
      const args = [
        "chaos",
        "machine",
        "--duration",
        "8",
        "--faults",
        "kill",
        "--only",
        "cpu-scheduler,kv-shard,memory-controller",
        "--json",
      ]
      const env = { ...environment, BACKPLANE_START_SECONDS: "60" }
      const { code, output } = await finished(spawn(process.execPath, [CLI, ...args], { env, stdio: ["ignore", "pipe", "pipe"] }))
      const report: unknown = JSON.parse(output.split("\n").find((line) => line.startsWith("{")) ?? "null")
      expect({ code, report }).toMatchObject({ code: 0, report: { findings: [], restarts: 0, boots: 1, pauses: 0, partitions: 0 } })
      const { kills, saves } = report as { readonly kills: number; readonly saves: number }
      expect(kills).toBeGreaterThanOrEqual(1)
      expect(saves).toBeGreaterThanOrEqual(1)
    },
    DEADLINE_MS,
  )

  it("refuses a fault that there is not", async () => {
    const run = (...args: readonly string[]) =>
      finished(spawn(process.execPath, [CLI, "chaos", "machine", ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] }))
    expect(await run("--faults", "flood")).toMatchObject({
      code: 2,
      output: expect.stringContaining("--faults: there is no flood") as string,
    })
  })
})
