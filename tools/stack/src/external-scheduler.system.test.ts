/**
 * A scheduler in another language takes the place of ours on the real stack, as the root README tells: its decisions run the machine, it may be
 * killed, another policy may take over, and no job is lost.
 */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, until, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const hasPython = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).status === 0
const canRun = hasPython && findNatsServer(environment).kind === "program"
const ROOT = join(import.meta.dirname, "../../..")
const CLI = join(ROOT, "apps/cli/src/main.ts")
const EXAMPLE = "python3 tools/stack/examples/round_robin.py"
const DEADLINE_MS = 120_000
const TRIES_MAX = 60

interface Node {
  readonly dispatches: number
  /** Dispatches that the node made by itself, because no decision came. */
  readonly bypasses: number
}

describe.skipIf(!canRun)("a scheduler in Python (needs python3 and the nats-server program)", () => {
  const stack = new StackUnderTest({}, { BACKPLANE_START_SECONDS: "60" })
  const cli = (...args: readonly string[]): Promise<Finished> =>
    finished(spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["ignore", "pipe", "ignore"], cwd: ROOT }))
  const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await cli(...args, "--json")).output)

  /** Dispatches so far that a scheduler decided, by node. */
  const decided = async (): Promise<readonly number[]> => {
    const { machines } = (await json("status")) as { machines: { machine: string; nodesState: (Node | null)[] }[] }
    const nodes = machines.find(({ machine }) => machine === "demo")?.nodesState ?? []
    return nodes.map((node) => (node === null ? 0 : node.dispatches - node.bypasses))
  }

  /** Waits until every node of the demo machine has run at least ten more decisions. */
  const decisionsGoOn = async (): Promise<void> => {
    const before = await decided()
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const now = await decided()
      if (now.length === 2 && now.every((count, node) => count >= (before[node] ?? 0) + 10)) return
    }
    throw new Error(`no decisions were carried out after ${before.join(", ")}: ${(await decided()).join(", ")}`)
  }

  beforeAll(async () => {
    expect(await stack.upReal("--shards", "0", "--replace", `cpu-scheduler=${EXAMPLE}`)).toMatchObject({
      code: 0,
      output: expect.stringContaining("ready: 8 processes"),
    })
  }, DEADLINE_MS)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it(
    "runs the machine, and the trace goes through it",
    async () => {
      await decisionsGoOn()
      let names: readonly string[] = []
      // The newest trace may be of a decision that is still on its way.
      for (let tries = 0; tries < TRIES_MAX && !names.includes("sched.dispatch"); tries++) {
        const { spans } = (await json("trace", "last", "decision")) as { spans: { name: string }[] }
        names = spans.map(({ name }) => name)
      }
      expect(names).toEqual(expect.arrayContaining(["sched.decide", "sched.dispatch"]))
    },
    DEADLINE_MS,
  )

  it(
    "brings a whole workload to its end",
    async () => {
      const result = (await json("run", "apps/hypervisor/scenarios/restartable-jobs.yaml", "--live")) as {
        jobs: Record<string, number | null>
        lost: readonly string[]
      }
      expect(Object.values(result.jobs)).not.toContain(null)
      expect(result.lost).toEqual([])
    },
    DEADLINE_MS,
  )

  it(
    "goes on after a policy with other queues took over, and after it was killed",
    async () => {
      expect(await cli("sched", "swap", "sqms")).toMatchObject({ code: 0 })
      await decisionsGoOn()
      const killed = stack.pidOf("cpu-scheduler-0")
      process.kill(killed, "SIGKILL")
      await until(() => stack.state()?.processes.every(({ phase, pid }) => phase === "ready" && pid !== killed) === true)
      await decisionsGoOn()
    },
    DEADLINE_MS,
  )
})
