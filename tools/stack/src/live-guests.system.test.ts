/**
 * RV64 guests as jobs on the real stack, over NATS: byte for byte the simulation in lock-step; in free mode, where the schedule is what
 * the wall makes it, and when the process of a node is killed, every guest still ends with the exit, console and state that it has alone.
 */
import { spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse, stringify } from "yaml"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, until, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 180_000
const ROOT = join(import.meta.dirname, "../../..")
const CLI = join(ROOT, "apps/cli/src/main.ts")
const SCENARIO = join(ROOT, "apps/hypervisor/scenarios/guests.yaml")

/** Whether the bus was simulated or real is the one thing that may differ. */
const withoutBus = (output: string): string => output.replace(/^\{"bus":"(sim|nats)",/, "{")

interface Scenario {
  readonly jobs: readonly { readonly guest?: { readonly file: string } }[]
}

interface Result {
  readonly jobs: Readonly<Record<string, number | null>>
  readonly schedule: readonly (readonly (readonly [number, number, string | null])[])[]
  readonly restarts: number
  readonly guests: Readonly<Record<string, unknown>>
}

describe.skipIf(kind !== "program")("guests on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (...args: readonly string[]): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["ignore", "pipe", "ignore"] })
    return finished(child)
  }

  /** The scenario paced by the wall, its jobs restartable: as a file of its own. */
  const freeScenario = (cyclesPerSecond: number): string => {
    const scenario = parse(readFileSync(SCENARIO, "utf8")) as Scenario
    const jobs = scenario.jobs.map((job) => {
      const guest = job.guest === undefined ? {} : { guest: { ...job.guest, file: resolve(dirname(SCENARIO), job.guest.file) } }
      return { ...job, ...guest, restartable: true }
    })
    const path = join(stack.home, "free-guests.yaml")
    writeFileSync(path, stringify({ ...scenario, jobs, clock: { mode: "free", cyclesPerSecond } }))
    return path
  }

  /** Tick that the guests' machine has reached, −1 before there is one. */
  const ticksOfRun = async (): Promise<number> => {
    const { machines } = JSON.parse((await cli("status", "--json")).output) as {
      machines: { machine: string; hypervisor: { nodes: { tick: number }[] } | null }[]
    }
    const run = machines.find((each) => each.machine.startsWith("guests-"))
    return Math.max(-1, ...(run?.hypervisor?.nodes ?? []).map((node) => node.tick))
  }

  let simulated: Finished
  const alone = (): Result["guests"] => (JSON.parse(simulated.output) as Result).guests

  beforeAll(async () => {
    expect(await stack.upReal("--shards", "0")).toMatchObject({ code: 0 })
    simulated = await cli("run", SCENARIO, "--sim", "--json")
  }, DEADLINE_MS)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it(
    "in lock-step a live run is the simulation, byte for byte, and a guest moved from node to node in it",
    async () => {
      const live = await cli("run", SCENARIO, "--live", "--json")
      expect(live.code).toBe(0)
      expect(withoutBus(live.output)).toBe(withoutBus(simulated.output))
      const { schedule, guests } = JSON.parse(live.output) as Result
      const nodesOf = (guest: string): number[] =>
        schedule.flatMap((runs, cpu) => (runs.some(([, , job]) => job === guest) ? [cpu >> 1] : []))
      expect(Object.keys(guests).some((guest) => new Set(nodesOf(guest)).size === 2)).toBe(true)
    },
    DEADLINE_MS,
  )

  it(
    "in free mode the schedule is what the wall makes it, and every guest ends the same",
    async () => {
      const live = await cli("run", freeScenario(100_000_000), "--live", "--json")
      expect(live.code).toBe(0)
      expect((JSON.parse(live.output) as Result).guests).toEqual(alone())
    },
    DEADLINE_MS,
  )

  it(
    "kill -9 of a node's process in mid-run: guests that lay there begin again, and every guest ends the same",
    async () => {
      const run = cli("run", freeScenario(20_000_000), "--live", "--json")
      let tick = -1
      for (let tries = 0; tries < 300 && tick < 10; tries++) tick = await ticksOfRun()
      expect(tick).toBeGreaterThanOrEqual(10)
      process.kill(stack.pidOf("numa-node-1"), "SIGKILL")
      const { code, output } = await run
      expect(code).toBe(0)
      const result = JSON.parse(output) as Result
      expect(result.restarts).toBeGreaterThan(0)
      expect(result.guests).toEqual(alone())
      await until(() => stack.state()?.processes.every((each) => each.phase === "ready") === true, 3_000)
    },
    DEADLINE_MS,
  )
})
