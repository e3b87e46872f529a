/**
 * Memory that the nodes of the real stack share, over NATS: a page moves by hand and by rule, the memory controller is killed and knows where
 * everything lies again, a node is killed and only what lay there is lost, and named.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 180_000
const TRIES_MAX = 200
const CLI = join(import.meta.dirname, "../../..", "apps/cli/src/main.ts")

interface Map {
  readonly incarnation: number
  readonly spaces: readonly {
    readonly space: string
    readonly pages: number
    readonly byHome: readonly number[]
    readonly migrations: number
    readonly lost: number
    readonly hurt: readonly { readonly node: number; readonly lost: number }[]
  }[]
  readonly pages: readonly { readonly page: number; readonly home: number; readonly state: string }[]
}

describe.skipIf(kind !== "program")("shared memory on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (...args: readonly string[]): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, "memory", ...args, "--json"], { stdio: ["ignore", "pipe", "ignore"] })
    return finished(child)
  }
  beforeAll(async () => {
    expect((await stack.upReal("--shards", "0")).code).toBe(0)
  }, DEADLINE_MS)
  afterAll(() => stack.dispose())

  /** Asked once a quarter of a second: each question is a process. */
  const comes = async (isSo: (map: Map) => boolean): Promise<Map> => {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const { code, output } = await cli("map", "alpha")
      const found = code === 0 ? (JSON.parse(output) as Map) : null
      if (found !== null && isSo(found)) return found
      await new Promise((done) => setTimeout(done, 250))
    }
    throw new Error(`waited in vain: ${isSo.toString()}`)
  }
  const kill = (name: string): void => {
    process.kill(stack.pidOf(name), "SIGKILL")
  }

  it(
    "moves by rule and by hand, and outlives its controller; what dies with a node is named",
    async ({ task }) => {
      // What an earlier try left.
      if ((task.result?.retryCount ?? 0) > 0) await cli("stop", "alpha")
      const rules = ["--placement", "local:0", "--migrate", "--hot", "4"]
      expect((await cli("run", "alpha", "--program", "own", "--rounds", "1000000", ...rules)).code).toBe(0)
      await comes(({ spaces }) => (spaces[0]?.migrations ?? 0) > 0)
      // By hand only from now on: the rule would take a page back.
      expect((await cli("rules", "alpha", "--placement", "local:0")).code).toBe(0)
      expect((await cli("migrate", "alpha", "99", "1")).code).not.toBe(0)
      expect(JSON.parse((await cli("migrate", "alpha", "2", "1")).output)).toMatchObject({ answer: "done", pages: [{ page: 2, home: 1 }] })
      const before = await comes(({ spaces }) => spaces.length > 0)
      kill("memory-controller-0")
      const after = await comes(
        ({ incarnation, spaces }) => incarnation > before.incarnation && spaces[0]?.pages === before.spaces[0]?.pages,
      )
      expect(after.pages.find(({ page }) => page === 2)?.home).toBe(1)
      kill("numa-node-1")
      const [space] = (await comes(({ spaces }) => (spaces[0]?.hurt.length ?? 0) > 0)).spaces
      expect(space?.hurt[0]).toMatchObject({ node: 1 })
      expect(space?.lost).toBeGreaterThan(0)
      expect(space?.lost).toBeLessThan(space?.pages ?? 0)
      expect((await cli("stop", "alpha")).code).toBe(0)
    },
    DEADLINE_MS,
  )
})
