/**
 * Machines on the real stack, over NATS, with the `backplane` command as a user would: the simulation's result to the byte in lock-step, whatever
 * the process layout; nothing lost when a scheduler is killed; only what lay there when a node is; and the traces of it.
 */
import { spawn, spawnSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest, until, type Finished } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const hasPython = spawnSync("python3", ["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).status === 0
const PATIENCE = { BACKPLANE_START_SECONDS: "60" }
const DEADLINE_MS = 180_000
const ROOT = join(import.meta.dirname, "../../..")
const CLI = join(ROOT, "apps/cli/src/main.ts")

/** Whether the bus was simulated or real is the one thing that may differ. */
const withoutBus = (output: string): string => output.replace(/^\{"bus":"(sim|nats)",/, "{")

const COMPARED: readonly (readonly string[])[] = [
  ["--list", "a:100:100,b:100:50,c:100:50"],
  ["--list", "a:100:100,b:100:50,c:100:50", "--per-cpu-queues", "--peek", "10", "--compat", "ostep", "--nodes", "2"],
  ["--cpus", "5", "--nodes", "3", "--job-count", "11", "--max-wset", "60", "--per-cpu-queues", "--peek", "7", "--seed", "9"],
]
/** Long enough to be hit in the middle. */
const LONG = [
  "--cpus",
  "4",
  "--nodes",
  "2",
  "--job-count",
  "12",
  "--max-run",
  "8000",
  "--max-wset",
  "60",
  "--per-cpu-queues",
  "--live",
  "--json",
]

interface Result {
  readonly jobs: Readonly<Record<string, number | null>>
  readonly lost: readonly string[]
  readonly restarts: number
}

describe.skipIf(kind !== "program")("machines on the real stack (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)

  const cli = (...args: readonly string[]): Promise<Finished> => {
    const child = spawn(process.execPath, [CLI, "--home", stack.home, ...args], { stdio: ["ignore", "pipe", "ignore"] })
    return finished(child)
  }
  const json = async (...args: readonly string[]): Promise<unknown> => JSON.parse((await cli(...args, "--json")).output)

  /** Tick that the job machine has reached, −1 before there is one. */
  const ticksOfRun = async (): Promise<number> => {
    const { machines } = (await json("status")) as { machines: { machine: string; hypervisor: { nodes: { tick: number }[] } | null }[] }
    const run = machines.find((each) => each.machine.startsWith("jobs-"))
    return Math.max(-1, ...(run?.hypervisor?.nodes ?? []).map((node) => node.tick))
  }

  /** Services in the newest trace of a flow, once `awaited` is among them: processes export their spans at their own pace. */
  const servicesOfLast = async (flow: string, awaited: string): Promise<readonly string[]> => {
    let services: string[] = []
    for (let tries = 0; tries < 100 && !services.includes(awaited); tries++) {
      const { spans = [] } = (await json("trace", "last", flow)) as { spans?: { service: string }[] }
      services = [...new Set(spans.map((span) => span.service))].sort()
    }
    return services
  }

  /** Starts a long run, kills a process in the middle of it, and returns how the run ended. */
  const runWithKill = async (victim: string, ...flags: readonly string[]): Promise<Result> => {
    const run = cli("jobs", ...LONG, ...flags)
    let tick = -1
    for (let tries = 0; tries < 600 && tick < 200; tries++) tick = await ticksOfRun()
    expect(tick).toBeGreaterThanOrEqual(200)
    // By its pid, not by `backplane kill`: on a busy computer a command takes as long to start as a short run takes.
    process.kill(stack.pidOf(victim), "SIGKILL")
    const { code, output } = await run
    expect(code).toBe(0)
    await until(() => stack.state()?.processes.every((each) => each.phase === "ready") === true, 3_000)
    return JSON.parse(output) as Result
  }

  beforeAll(async () => {
    expect(await stack.upReal("--shards", "0")).toMatchObject({ code: 0 })
  }, DEADLINE_MS)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it.each(COMPARED.map((flags) => [flags.join(" "), flags] as const))(
    "in lock-step a live run is the simulation, byte for byte: %s",
    async (_title, flags) => {
      const [simulated, live] = await Promise.all([cli("jobs", ...flags, "--sim", "--json"), cli("jobs", ...flags, "--live", "--json")])
      expect(live.code).toBe(0)
      expect(withoutBus(live.output)).toBe(withoutBus(simulated.output))
    },
    DEADLINE_MS,
  )

  it(
    "kill -9 of a scheduler's process loses nothing: every job ends, none is begun again; the restart is a trace",
    async () => {
      const { jobs, lost, restarts } = await runWithKill("cpu-scheduler-0")
      expect(Object.values(jobs)).not.toContain(null)
      expect({ lost, restarts }).toEqual({ lost: [], restarts: 0 })
      expect(await servicesOfLast("restart", "numa-node")).toEqual(["cpu-scheduler", "numa-node"])
    },
    DEADLINE_MS,
  )

  it(
    "kill -9 of a node's process loses only what lay there, and says so",
    async () => {
      const { jobs, lost, restarts } = await runWithKill("numa-node-1")
      expect(lost.length).toBeGreaterThan(0)
      expect(lost.length).toBeLessThan(Object.keys(jobs).length)
      expect(Object.keys(jobs).filter((job) => jobs[job] === null)).toEqual(lost)
      expect(restarts).toBe(0)
    },
    DEADLINE_MS,
  )

  it(
    "restartable jobs of a killed node end all the same; their restart is a trace across the services",
    async () => {
      const { jobs, lost, restarts } = await runWithKill("numa-node-0", "--restartable")
      expect(Object.values(jobs)).not.toContain(null)
      expect(lost).toEqual([])
      expect(restarts).toBeGreaterThan(0)
      const { traces } = (await json("trace", "list", "--limit", "1000")) as { traces: { name?: string; services: string[] }[] }
      expect(JSON.stringify(traces)).toContain("numa-node")
    },
    DEADLINE_MS,
  )

  it(
    "another policy takes over the running machine, and no job is lost by it",
    async () => {
      expect(await cli("sched", "swap", "sqms")).toMatchObject({ code: 0 })
      expect(await cli("sched", "swap", "mqms-steal")).toMatchObject({ code: 0 })
      const { machines } = (await json("status")) as {
        machines: { machine: string; hypervisor: { policy: string; jobs: { lost: number } } }[]
      }
      expect(machines.find((each) => each.machine === "demo")?.hypervisor).toMatchObject({ policy: "mqms-steal", jobs: { lost: 0 } })
      expect(await cli("sched", "swap", "nonsense")).toMatchObject({ code: 1 })
    },
    DEADLINE_MS,
  )

  it.skipIf(!hasPython).each([
    ["goes silent", "silent", /^(stall|silent)$/],
    ["floods the nodes with decisions that do not hold", "flood", /^(abuse|stall)$/],
  ] as const)(
    "an attached program that %s is ejected, and the policy before it goes on",
    async (_what, fault, kinds) => {
      const policyNow = async (): Promise<string | undefined> => {
        const { machines } = (await json("status")) as { machines: { machine: string; hypervisor: { policy: string } | null }[] }
        return machines.find(({ machine }) => machine === "demo")?.hypervisor?.policy
      }
      let before: string | undefined
      for (let tries = 0; tries < 100 && before === undefined; tries++) before = await policyNow() // its machine may just be beginning
      const name = `faulty-${fault}`
      const run = `python3 tools/stack/src/fake/faulty_scheduler.py ${fault}`
      const attached = spawn(process.execPath, [CLI, "--home", stack.home, "sched", "attach", name, "--run", run], {
        cwd: ROOT,
        stdio: "ignore",
      })
      try {
        for (let tries = 0, known = false; tries < 100 && !known; tries++)
          known = JSON.stringify(await json("sched", "services")).includes(name)
        expect(await cli("sched", "swap", name, "--now")).toMatchObject({ code: 0 })
        let exits: readonly {
          readonly policy: string
          readonly fault: string
          readonly next: string | null
          readonly lines: readonly string[]
        }[] = []
        for (let tries = 0; tries < 100 && !exits.some(({ policy }) => policy === name); tries++)
          ({ exits } = (await json("sched", "exits")) as { exits: typeof exits })
        const record = exits.find(({ policy }) => policy === name)
        expect(record).toMatchObject({ fault: expect.stringMatching(kinds), next: before })
        expect(record?.lines.length).toBeGreaterThan(0)
        expect(await policyNow()).toBe(before)
      } finally {
        attached.kill("SIGINT")
      }
    },
    DEADLINE_MS,
  )

  it.skipIf(!hasPython)(
    "an attached program that is asked to end gives the machine back first: nobody is ejected, and it takes no more time than a swap",
    async () => {
      const policyNow = async (): Promise<string | undefined> => {
        const { machines } = (await json("status")) as { machines: { machine: string; hypervisor: { policy: string } | null }[] }
        return machines.find(({ machine }) => machine === "demo")?.hypervisor?.policy
      }
      const exitsNow = async (): Promise<number> => ((await json("sched", "exits")) as { exits: readonly unknown[] }).exits.length
      let before: string | undefined
      for (let tries = 0; tries < 100 && before === undefined; tries++) before = await policyNow() // its machine may just be beginning
      let exits = 0
      const run = "python3 tools/stack/examples/round_robin.py"
      // A group of its own, all of which is told, as the terminal does it with Ctrl-C.
      const attached = spawn(process.execPath, [CLI, "--home", stack.home, "sched", "attach", "polite", "--run", run], {
        cwd: ROOT,
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      })
      let said = ""
      for (const stream of [attached.stdout, attached.stderr]) stream.setEncoding("utf8").on("data", (text: string) => (said += text))
      const ended = new Promise((resolve) => attached.on("close", resolve))
      try {
        for (let tries = 0; tries < 100 && !said.includes("has attached"); tries++) await json("sched", "services")
        // On a computer that stands still for a moment it may be ejected as anybody who says nothing: then it is asked again.
        for (let tries = 0; tries < 5 && (await policyNow()) !== "polite"; tries++) {
          expect(await cli("sched", "swap", "polite", "--now")).toMatchObject({ code: 0 })
          exits = await exitsNow()
        }
        expect(await policyNow()).toBe("polite")
      } finally {
        process.kill(-(attached.pid ?? 0), "SIGINT")
      }
      expect(await ended).toBe(0)
      expect(said).toContain(`demo: ${before} schedules now`)
      expect(said).not.toContain("Traceback")
      expect(await policyNow()).toBe(before)
      expect(await exitsNow()).toBe(exits)
      expect(JSON.stringify(await json("sched", "services"))).not.toContain("polite")
    },
    DEADLINE_MS,
  )

  // How long CPUs waited is told by the command, and not asserted: it is the computer's load as much as the machine.
  it(
    "a storm of swaps through all policies and a program in Python, with processes killed in the middle, loses nothing",
    async () => {
      const service = hasPython ? [] : ["--no-service"]
      // Two kills: a process that is away for seconds on a slow computer leaves calm swaps between them.
      const flags = ["--swaps", "24", "--every", "8", "--machines", "1", "--per-machine", "24", "--kill-every", "12", "--slice-ms", "50"]
      const storm = (await json("sched", "storm", "--live", ...flags, ...service)) as {
        readonly swaps: number
        readonly kills: number
        readonly gap: { readonly count: number }
        readonly machines: readonly Readonly<Record<string, unknown>>[]
      }
      expect(storm.swaps).toBe(24)
      expect(storm.kills).toBeGreaterThan(0)
      expect(storm.gap.count).toBeGreaterThan(10)
      const none = { lost: 0, restarts: 0, ticksTwice: 0, ticksOutside: 0, ticksWrong: 0, refused: 0 }
      expect(storm.machines).toMatchObject([{ ...none, toService: hasPython ? 1 : 0 }])
    },
    DEADLINE_MS,
  )

  it(
    "a storm whose program does not run, and a machine that there is not, are told by their flag",
    async () => {
      const failure = async (...args: readonly string[]): Promise<unknown> => ((await json(...args)) as { readonly error?: unknown }).error
      const storm = await failure("sched", "storm", "--live", "--swaps", "2", "--service", "false")
      expect(storm).toMatchObject({ kind: "bad-input", field: "--service", message: expect.stringContaining("has ended with 1") })
      const swap = await failure("sched", "swap", "mqms", "--machine", "nosuch")
      expect(swap).toMatchObject({ kind: "bad-input", field: "--machine", message: expect.stringContaining("there is demo") })
    },
    DEADLINE_MS,
  )

  it(
    "a scheduling decision is one trace over node and scheduler, from the idle CPU to the dispatch",
    async () => {
      expect(await servicesOfLast("decision", "cpu-scheduler")).toEqual(["cpu-scheduler", "numa-node"])
    },
    DEADLINE_MS,
  )
})

describe.skipIf(kind !== "program")("another process layout (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, PATIENCE)
  afterAll(async () => await stack.dispose(), DEADLINE_MS)

  it(
    "co-located, with one node process, the result is the same",
    async () => {
      expect(await stack.upReal("--colocate", "--count", "numa-node=1", "--shards", "0", "--scenario", "none")).toMatchObject({ code: 0 })
      const run = (...args: readonly string[]): Promise<Finished> =>
        finished(
          spawn(process.execPath, [CLI, "--home", stack.home, "jobs", ...(COMPARED[2] ?? []), "--json", ...args], {
            stdio: ["ignore", "pipe", "ignore"],
          }),
        )
      expect(withoutBus((await run("--live")).output)).toBe(withoutBus((await run("--sim")).output))
    },
    DEADLINE_MS,
  )
})
