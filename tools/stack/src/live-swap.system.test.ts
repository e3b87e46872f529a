/**
 * Shared memory with fewer frames than pages, under two memory controllers, on the real stack, over NATS: pages go to the files of the page
 * stores and come back while the process that has controllers and stores is killed; the sums are right, and what the space had is free when
 * it ends.
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
const DEADLINE_MS = 240_000
const TRIES_MAX = 200
const CLI = join(import.meta.dirname, "../../..", "apps/cli/src/main.ts")
const PAGES = 24
const ROUNDS = 150
const SCENARIO = `
name: demo
topology: { nodes: 2, cpus: 2, framesPerNode: 16 }
memory: { swapPages: 100, controllers: 2 }
schedule: { policy: cfs, sliceTicks: 2 }
clock: { mode: free, tickCycles: 1000000, latencyCycles: 50000, cyclesPerSecond: 100000000 }
jobs: []
`

interface Map {
  readonly incarnation: number
  readonly nodes: readonly { readonly free: number }[]
  readonly store: { readonly pages: number } | null
  readonly spaces: readonly { readonly swapOuts: number; readonly swapIns: number; readonly stored: { readonly swapped: number } }[]
}

describe.skipIf(kind !== "program")("swap on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (...args: readonly string[]): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, "memory", ...args, "--json"], { stdio: ["ignore", "pipe", "ignore"] })
    return finished(child)
  }
  const json = async <Answer>(...args: readonly string[]): Promise<Answer | null> => {
    const { code, output } = await cli(...args)
    return code === 0 ? (JSON.parse(output) as Answer) : null
  }
  const comes = async <Answer>(isSo: (answer: Answer) => boolean, ...args: readonly string[]): Promise<Answer> => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const found = await json<Answer>(...args)
      if (found !== null && isSo(found)) return found
    }
    throw new Error(`waited in vain: ${isSo.toString()}`)
  }

  beforeAll(async () => {
    writeFileSync(join(stack.home, "short.yaml"), SCENARIO)
    expect(await stack.upReal("--shards", "0", "--scenario", join(stack.home, "short.yaml"))).toMatchObject({ code: 0 })
  }, DEADLINE_MS)
  afterAll(() => stack.dispose())

  it(
    "every page is where it belongs and holds what was written, over a death of controller and page store",
    async ({ task }) => {
      // What an earlier try left.
      if ((task.result?.retryCount ?? 0) > 0) await cli("stop", "alpha")
      expect((await cli("run", "alpha", "--program", "own", "--pages", `${PAGES}`, "--rounds", `${ROUNDS}`, "--copies", "2")).code).toBe(0)
      const before = await comes<Map>(({ spaces }) => (spaces[0]?.swapIns ?? 0) > 20, "map", "alpha")
      process.kill(stack.pidOf("memory-controller-0"), "SIGKILL")
      const after = await comes<Map>(({ incarnation, spaces }) => incarnation > before.incarnation && spaces.length > 0, "map", "alpha")
      expect(after.spaces[0]?.stored.swapped).toBeGreaterThan(0)
      const harts = await comes<readonly { readonly state: string; readonly result: string }[]>(
        (all) => all.every(({ state }) => state !== "ready" && state !== "waiting"),
        "harts",
        "alpha",
      )
      expect(harts.map(({ state, result }) => `${state} ${Number(result)}`)).toEqual([`done ${ROUNDS}`, `done ${ROUNDS}`])
      expect((await cli("stop", "alpha")).code).toBe(0)
      const end = await comes<Map>(({ store }) => store?.pages === 0, "map")
      expect(end.nodes.map(({ free }) => free)).toEqual([16, 16])
    },
    DEADLINE_MS,
  )
})
