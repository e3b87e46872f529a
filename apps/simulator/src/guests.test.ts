/**
 * RV64 guests as jobs of a whole machine, in simulation: each ends as `backplane exec` says, though it moved between nodes in mid-run,
 * the policy was changed under it, or its node was lost.
 */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { actorId, actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import type { GuestState, HartRecord } from "@backplane/compute-contract/guest-state"
import type { TaskEngine, TaskProgress } from "@backplane/compute-contract/task-engine"
import { NodeMachine } from "@backplane/compute-node/node"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { GUEST_MEMORY_BYTES_MAX } from "@backplane/scenario-machine/guest-spec"
import { POLICY_NAMES, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { nodeOfCpu } from "@backplane/scenario-machine/topology"
import { guestFileReader } from "@backplane/trap-guest/guest-files"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { machineActor, type ActorMaker } from "./machine-actors.ts"
import { taskEngines } from "./task-engines.ts"
import { machineWorld, outcomeOf, simulate, type RunOutcome } from "./simulate.ts"

const SCENARIO = join(import.meta.dirname, "../../hypervisor/scenarios/guests.yaml")
const CLI = join(import.meta.dirname, "../../cli/src/main.ts")
const STEPS_MAX = 2_000_000

interface GuestJob {
  readonly name: string
  readonly guest?: { readonly file: string; readonly instructionsMax?: number }
}

const INPUT = parse(readFileSync(SCENARIO, "utf8")) as { readonly jobs: readonly GuestJob[] }
const GUESTS = INPUT.jobs.flatMap(({ name, guest }) => (guest === undefined ? [] : [{ name, ...guest }]))

function readScenario(change: object = {}): MachineSpec {
  const reader = guestFileReader((file) => readFileSync(resolve(dirname(SCENARIO), file)), { readImage: readGuestImage })
  return resolveMachineSpec({ ...INPUT, ...change }, reader)
}

function resultOf(outcome: RunOutcome | null): RunResult {
  if (outcome === null || !("result" in outcome)) throw new Error(`the run ended without a result: ${JSON.stringify(outcome)}`)
  return outcome.result
}

/** What the command says of every guest of the scenario, alone on its own. */
function execAll(): Readonly<Record<string, object>> {
  const entries = GUESTS.map(({ name, file, instructionsMax }) => {
    const image = resolve(dirname(SCENARIO), file)
    const limit = ["--max-instructions", String(instructionsMax ?? 1_000_000_000)]
    const { stdout } = spawnSync(process.execPath, [CLI, "exec", image, "--memory", "1M", "--state", "--json", ...limit], {
      encoding: "utf8",
    })
    const { exit, reason, instructions, console, state } = JSON.parse(stdout) as Readonly<Record<string, string>>
    return [name, { exit, reason, instructions, console, state, consoleBytes: Buffer.byteLength(console ?? "") }] as const
  })
  return Object.fromEntries(entries)
}

const alone = execAll()

/** How long each guest was on a CPU: with every move and every slice the same, or something ran twice. */
function ticksOfGuests({ schedule }: RunResult): Readonly<Record<string, number>> {
  const runs = schedule.flat()
  const ticksOf = (name: string): number => runs.reduce((sum, [from, to, job]) => sum + (job === name ? to - from : 0), 0)
  return Object.fromEntries(GUESTS.map(({ name }) => [name, ticksOf(name)]))
}

/** Guests that ran on one node, and later on another. */
function movedBetweenNodes(spec: MachineSpec, result: RunResult): readonly string[] {
  return GUESTS.map(({ name }) => name).filter((name) => {
    const nodes = result.schedule.flatMap((runs, cpu) => (runs.some(([, , job]) => job === name) ? [nodeOfCpu(spec.topology, cpu)] : []))
    return new Set(nodes).size > 1
  })
}

describe("guests of a machine in simulation", () => {
  it("end as exec says, with exit, console and state, and some have moved between nodes in mid-run", () => {
    const spec = readScenario()
    const result = resultOf(simulate(spec, { fingerprint: "off", stepsMax: STEPS_MAX }))
    expect(result.guests).toEqual(alone)
    expect(movedBetweenNodes(spec, result).length).toBeGreaterThan(0)
    expect(result.jobs["counted"]).toBeGreaterThan(0)
  })

  it("end the same under every policy, on one node or four, and when one policy takes over from another", { timeout: 60_000 }, () => {
    const schedule = { sliceTicks: 10, peekTicks: 10 }
    const changes = [
      { topology: { nodes: 1, cpus: 3 }, schedule: { ...schedule, policy: "mqms" } },
      ...POLICY_NAMES.map((policy) => ({ schedule: { ...schedule, policy } })),
      { topology: { nodes: 4, cpus: 4 } },
      {
        schedule: { ...schedule, policy: "mqms" },
        actions: [
          { atTick: 15, swap: "sqms" },
          { atTick: 40, swap: "mqms-warm" },
        ],
      },
    ]
    const still = resultOf(simulate(readScenario(changes[0]), { fingerprint: "off", stepsMax: STEPS_MAX }))
    expect(movedBetweenNodes(readScenario(changes[0]), still)).toEqual([])
    for (const change of changes) {
      const result = resultOf(simulate(readScenario(change), { fingerprint: "off", stepsMax: STEPS_MAX }))
      expect(result.guests, JSON.stringify(change)).toEqual(alone)
      expect(ticksOfGuests(result), JSON.stringify(change)).toEqual(ticksOfGuests(still))
    }
  })

  it("that are restartable begin again when their node is lost, and end the same", () => {
    const jobs = INPUT.jobs.map((job) => ({ ...job, restartable: true }))
    const spec = readScenario({ jobs })
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX })
    const ticks = new TickClock(spec.clock)
    world.at(ticks.start(35), () => world.crash(actorId("node.1")))
    world.at(ticks.start(60), () => world.restart(actorId("node.1")))
    world.run({ until: ticks.start(20_000), stop: () => outcomeOf(world) !== null })
    const result = resultOf(outcomeOf(world))
    expect(result.restarts).toBeGreaterThan(0)
    expect(result.guests).toEqual(alone)
  })

  it("end the same though messages are lost, doubled and late", () => {
    const spec = readScenario()
    const until = new TickClock(spec.clock).start(100)
    const faults = { until, loss: 0.05, duplication: 0.05, reordering: 0.1, delay: { min: 50, max: 400 } }
    const result = resultOf(simulate(spec, { fingerprint: "off", stepsMax: STEPS_MAX, faults }))
    expect(result.guests).toEqual(alone)
  })
})

/** Nodes whose guests lose something on the way to another node. */
function forgetfulNodes(forget: (state: GuestState) => GuestState | undefined): ActorMaker {
  return (spec, id, incarnation) => {
    if (actorKind(id) !== "node") return machineActor(spec, id, incarnation)
    const { jobs, guests } = taskEngines(spec, { node: 0, incarnation })
    const forgetful: TaskEngine = {
      refusal: (task, before) => guests?.refusal(task, before) ?? null,
      open(task, before) {
        const work = guests?.open(task, before)
        if (work === undefined) throw new Error("the engine runs guests")
        const progress = (): TaskProgress => {
          const { left, guest } = work.progress()
          const kept = guest === undefined ? undefined : forget(guest)
          return kept === undefined ? { left } : { left, guest: kept }
        }
        return {
          plan: (slice) => work.plan(slice),
          run: (slice) => work.run(slice),
          progress,
          outcome: () => work.outcome(),
          close: () => work.close(),
        }
      },
    }
    return new NodeMachine({ spec, node: Number(actorIndex(id)), incarnation, engines: { jobs, guests: forgetful } }) as Machine
  }
}

describe("a move that forgets something shows in what came of the guests, or in their ticks", () => {
  const hart = (state: GuestState, change: Partial<HartRecord>): GuestState => {
    const harts = state.board.harts.map((each) => ({ ...each, ...change }))
    return { ...state, board: { ...state.board, harts } }
  }
  const BUGS: Readonly<Record<string, (state: GuestState) => GuestState | undefined>> = {
    "all of it: the guest begins again": () => undefined,
    "its registers": (state) => hart(state, { registers: new Array<string>(32).fill("0x0") }),
    "how much it has run": (state) => hart(state, { instret: "0x0" }),
    "its last page": ({ board, ...state }) => ({ ...state, board: { ...board, pages: board.pages.slice(0, -1) } }),
    "what its ticks have paid for": (state) => ({ ...state, grantedUnits: 0 }),
    "the rest of its window": ({ board, ...state }) => ({ ...state, board: { ...board, windowLeft: 1 } }),
  }
  const jobs = INPUT.jobs.map((job) => (job.guest === undefined ? job : { ...job, guest: { instructionsMax: 5_000_000, ...job.guest } }))
  const spec = readScenario({ jobs })
  const run = (make?: ActorMaker): object => {
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX }, make)
    world.run({ until: new TickClock(spec.clock).start(2000), stop: () => outcomeOf(world) !== null })
    const outcome = outcomeOf(world)
    return outcome === null || !("result" in outcome)
      ? { outcome }
      : { guests: outcome.result.guests, ticks: ticksOfGuests(outcome.result) }
  }
  const honest = run()

  it("nothing is forgotten", () => expect(run(forgetfulNodes((state) => state))).toEqual(honest))
  it.each(Object.keys(BUGS))("%s", (bug) => expect(run(forgetfulNodes(BUGS[bug]!))).not.toEqual(honest))
})

describe("a token that nobody can go on from", () => {
  it("is rejected by name; the guest is found missing, begins again and ends the same", () => {
    const spec = readScenario({ jobs: INPUT.jobs.map((job) => ({ ...job, restartable: true })) })
    let damaged = 0
    const damage = (state: GuestState): GuestState => {
      damaged += 1
      return damaged > 2 ? state : { ...state, board: { ...state.board, pages: [[spec.topology.framesPerNode, ""]] } }
    }
    const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX }, forgetfulNodes(damage))
    const rejected: string[] = []
    world.onEvent(
      (_at, _actor, { name, fields }) => void (name === "message-rejected" && rejected.push(String(fields?.["backplane.reason"]))),
    )
    world.run({ until: new TickClock(spec.clock).start(20_000), stop: () => outcomeOf(world) !== null })
    const result = resultOf(outcomeOf(world))
    expect(rejected.length).toBe(2)
    expect(rejected[0]).toMatch(/^the token of task .+: guest\.board\.pages: number \d+ lies outside RAM/)
    expect(result.restarts).toBe(2)
    expect(result.guests).toEqual(alone)
  })
})

/** Fills 3.9 MiB from 64 KiB on with what is not zero, and then stays where it is. */
const FILLER = [
  0x00010297, // auipc t0, 0x10
  0x003e0317, // auipc t1, 0x3e0
  0x0062b023, // sd    t1, 0(t0)
  0x00828293, // addi  t0, t0, 8
  0xfe62ece3, // bltu  t0, t1, -8
  0x0000006f, // j     .
]

describe("the largest guest", () => {
  it("moves in one message, full as it is, and ends as it does where it stays", { timeout: 60_000 }, () => {
    const address = 0x8000_0000n
    const data = new Uint8Array(Uint32Array.from(FILLER).buffer)
    const segments = [{ virtualAddress: address, physicalAddress: address, data, memoryBytes: BigInt(data.length) }]
    const image = Buffer.from(buildElf({ entry: address, segments, symbols: [] })).toString("base64")
    const guest = { image, memoryBytes: GUEST_MEMORY_BYTES_MAX, instructionsPerTick: 100_000, instructionsMax: 2_500_000 }
    const jobs = ["a", "b", "c"].map((name) => ({ name, guest }))
    const run = (nodes: number): readonly [RunResult, number] => {
      const spec = resolveMachineSpec({ topology: { nodes, cpus: 2 }, schedule: { policy: "sqms", sliceTicks: 10 }, jobs })
      const world = machineWorld(spec, { fingerprint: "off", stepsMax: STEPS_MAX })
      let longest = 0
      world.onMessage(({ body }) => void (longest = Math.max(longest, body.kind === "TaskState" ? JSON.stringify(body).length : 0)))
      world.run({ until: new TickClock(spec.clock).start(2000), stop: () => outcomeOf(world) !== null })
      return [resultOf(outcomeOf(world)), longest]
    }
    const [[still], [moved, longest]] = [run(1), run(2)]
    expect(longest).toBeGreaterThan(5_000_000)
    expect(longest).toBeLessThan(8 * 2 ** 20)
    expect(moved.guests).toEqual(still.guests)
    expect(new Set(Object.values(moved.guests ?? {}).map(({ instructions, state }) => `${instructions} ${state}`)).size).toBe(1)
  })
})

describe("a guest that cannot be", () => {
  const reason = (guest: object, more: object = {}): string => {
    try {
      readScenario({ jobs: [{ name: "bad", guest, ...more }] })
    } catch (error) {
      if (error instanceof Rejection) return error.message
      throw error
    }
    return "it was taken"
  }

  it("is refused before anything starts, with the field and the image's own message", () => {
    expect(reason({ file: "absent.elf" })).toMatch(/^jobs\[0\]\.guest\.file: absent\.elf cannot be read: /)
    expect(reason({ file: "guests.yaml" })).toMatch(/^jobs\[0\]\.guest\.file: guests\.yaml: magic: neither an ELF file nor/)
    expect(reason({})).toMatch(/^jobs\[0\]\.guest\.file: name the guest's ELF or Image file/)
    expect(reason({ file: "guests.yaml", memoryBytes: 1000 })).toMatch(/^jobs\[0\]\.guest\.memoryBytes/)
    expect(reason({ file: "guests.yaml", memoryBytes: 2 ** 30 })).toMatch(/^jobs\[0\]\.guest\.memoryBytes/)
    expect(reason({ image: "AAAA", instructionsPerTick: 10_000_000 })).toMatch(/^jobs\[0\]\.guest\.instructionsPerTick: 2 CPUs of a node/)
    expect(reason({ image: "AAAA", file: "guests.yaml" })).toMatch(/^jobs\[0\]\.guest\.image: a guest has a file or an image/)
    expect(reason({ image: "AAAA" }, { run: 3 })).toMatch(/^jobs\[0\]\.run: a guest runs until it ends/)
  })

  it("is refused by its node where nobody looked before, and the machine says so", () => {
    const spec = readScenario({ jobs: [{ name: "bad", guest: { image: "AAAA" } }] })
    expect(simulate(spec, { fingerprint: "off", stepsMax: STEPS_MAX })).toMatchObject({
      failure: { kind: "rejected", job: "bad", message: expect.stringContaining("magic: neither an ELF file") as string },
    })
  })
})
