/**
 * Pages that follow a vCPU, on the real stack, over NATS: a task of a shared memory is sent to another node, and the memory controller sends the pages
 * along that were hot where it ran. The rule is the scenario's (`memory.spaces`); nothing else moves pages here.
 */
import { spawn } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const PATIENCE = { BACKPLANE_START_SECONDS: process.env["BACKPLANE_START_SECONDS"] ?? "60" }
const DEADLINE_MS = 240_000
const TRIES_MAX = 200
const CLI = join(import.meta.dirname, "../../..", "apps/cli/src/main.ts")
/** A tick is 50 ms: what was missed in the last ten to twenty of them is hot. Node 2 runs nothing: its memory is far from both. */
const SCENARIO = `
name: demo
topology: { nodes: 3, cpus: 3, framesPerNode: 64 }
memory: { swapPages: 0, spaces: [{ name: alpha, placement: { kind: local, node: 2 }, follow: true }] }
schedule: { policy: cfs, sliceTicks: 2 }
clock: { mode: free, tickCycles: 1000000, latencyCycles: 50000, cyclesPerSecond: 20000000 }
jobs: [{ name: walker, space: alpha, run: 100000000, workingSet: 1, affinity: [0] }]
`

interface Map {
  readonly spaces: readonly { readonly byHome: readonly number[]; readonly reads: readonly number[]; readonly migrations: number }[]
}

describe.skipIf(kind !== "program")("pages that follow a vCPU on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (...args: readonly string[]): Promise<Finished> => {
    return finished(spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["ignore", "pipe", "ignore"] }))
  }
  /** Asked four times a second at most: each question is a process. */
  const comes = async (isSo: (space: Map["spaces"][number]) => boolean): Promise<Map["spaces"][number]> => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { code, output } = await cli("memory", "map", "alpha", "--json")
      const space = code === 0 ? (JSON.parse(output) as Map).spaces[0] : undefined
      if (space !== undefined && isSo(space)) return space
      await new Promise((done) => setTimeout(done, 250))
    }
    throw new Error(`waited in vain: ${isSo.toString()}`)
  }

  beforeAll(async () => {
    writeFileSync(join(stack.home, "follow.yaml"), SCENARIO)
    expect(await stack.upReal("--shards", "0", "--scenario", join(stack.home, "follow.yaml"))).toMatchObject({ code: 0 })
  }, DEADLINE_MS)
  afterAll(() => stack.dispose())

  it(
    "the task goes to node 1, and what node 0 missed on goes along",
    async ({ task }) => {
      // What an earlier try left.
      if ((task.result?.retryCount ?? 0) > 0) {
        await cli("memory", "stop", "alpha")
        await cli("sched", "affinity", "walker", "0")
      }
      const run = ["--program", "own", "--harts", "0", "--pages", "8", "--rounds", "1000000", "--copies", "2"]
      expect((await cli("memory", "run", "alpha", ...run)).code).toBe(0)
      // Its few copies push each other out: node 0 misses on the pages again and again.
      const before = await comes(({ reads }) => (reads[0] ?? 0) > 200)
      expect([before.byHome.slice(0, 2), before.migrations]).toEqual([[0, 0], 0])
      expect((await cli("sched", "affinity", "walker", "1")).code).toBe(0)
      const after = await comes(({ byHome }) => (byHome[1] ?? 0) > 0)
      expect(after.migrations).toBeGreaterThan(0)
      expect(after.byHome[0]).toBe(0)
    },
    DEADLINE_MS,
  )
})
