/**
 * A guest as a task of a node: its run and its ticks are the same however they are cut into slices, moved between nodes and parked.
 */
import { readFileSync } from "node:fs"
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { encodeBase64 } from "@backplane/foundation-base/base64"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
import { CpuCache } from "@backplane/compute-synthetic/cpu-cache"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { Board } from "@backplane/trap-board/board"
import { describe, expect, it } from "vitest"
import { GuestEngine } from "./guest-engine.ts"
import type { GuestParts } from "./guest-parts.ts"
import type { EngineTask, TaskProgress } from "@backplane/compute-contract/task-engine"
import type { GuestState } from "@backplane/compute-contract/guest-state"
import type { GuestSpec } from "@backplane/scenario-machine/guest-spec"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"

const MEMORY_BYTES = 2 ** 20
const SLICES_MAX = 100_000
const PARTS: GuestParts = {
  makeEngine: (options) => new WasmEngine(options),
  readImage: readGuestImage,
  decodeText: (bytes) => new TextDecoder().decode(bytes),
}
/** Those of one hart that fit into 1 MiB and read nothing; the long benchmark is the short one again. */
const NAMES = ["arith", "atomic", "traps", "paging", "timer", "selfmod", "tohost", "fail", "sleep", "spin", "bench-short"]

/** Sets its timer to 4096 ticks of 100 instructions, waits for it with interrupts off, and ends. */
const SLEEPER = elfOf([
  0x02004537, // lui  a0, 0x2004     mtimecmp
  0x000015b7, // lui  a1, 0x1
  0x00b53023, // sd   a1, 0(a0)
  0x08000613, // li   a2, 0x80       MTIE
  0x30461073, // csrw mie, a2
  0x10500073, // wfi
  0x001006b7, // lui  a3, 0x100      test finisher
  0x00005737, // lui  a4, 0x5
  0x55570713, // addi a4, a4, 0x555
  0x00e6a023, // sw   a4, 0(a3)
])

function elfOf(words: readonly number[]): Uint8Array {
  const address = 0x8000_0000n
  const data = new Uint8Array(Uint32Array.from(words).buffer)
  const segment = { virtualAddress: address, physicalAddress: address, data, memoryBytes: BigInt(data.length) }
  return buildElf({ entry: address, segments: [segment], symbols: [] })
}

const newCache = (): CpuCache => new CpuCache({ size: 100, warmupTicks: 3 })

function imageOf(name: string): Uint8Array {
  const guest = readManifest().guests.find((each) => each.name === name)
  if (guest === undefined) throw new Error(`there is no guest ${name}`)
  return readFileSync(imagePath(guest))
}

function specOf(name: string, guest: Partial<GuestSpec> = {}): TaskSpec {
  const image = guest.image ?? encodeBase64(imageOf(name))
  const whole = { memoryBytes: MEMORY_BYTES, instructionsPerTick: 997, instructionsMax: 120_000, ...guest, image }
  return { task: name, attempt: 1, ordinal: 0, run: 0, workingSet: 4, affinity: [], guest: whole }
}

interface Ended {
  readonly ticks: number
  readonly outcome: unknown
}

/** Runs to the end in slices of drawn length; `between` may put another task in the place of the one that ran. */
function runInSlices(first: EngineTask, seed: number, between: (task: EngineTask) => EngineTask = (task) => task): Ended {
  const random = new MersenneTwister(seed)
  const cache = newCache()
  let task = first
  let ticks = 0
  for (let slice = 0; slice < SLICES_MAX; slice += 1) {
    const planned = 1 + random.below(20)
    const plan = task.plan({ cache, fromTick: 0, budgetTicks: planned })
    // Sometimes the end of a slice is noticed late, as in free mode.
    const late = random.below(4) === 0 ? random.below(10) : 0
    const budgetTicks = plan + late
    const { ticks: used, finished } = task.run({ cache, fromTick: 0, budgetTicks })
    expect(used).toBeLessThanOrEqual(budgetTicks)
    if (!finished) expect(used).toBe(budgetTicks)
    ticks += used
    if (finished) return { ticks, outcome: task.outcome() }
    task = between(task)
  }
  throw new Error("the guest does not end")
}

/** What `backplane exec` would say, and the ticks that its clock is worth. */
function straight(spec: TaskSpec): Ended {
  const { memoryBytes, instructionsMax, instructionsPerTick, image } = spec.guest!
  const read = readGuestImage(Buffer.from(image!, "base64"), memoryBytes)
  if ("refusal" in read) throw new Error(read.refusal)
  const board = new Board(new WasmEngine({ memoryBytes, cpus: 1 }), read)
  const stop = board.run(instructionsMax)
  const bytes = board.console.takeOutput()
  const end =
    stop.kind === "end" ? { exit: stop.code, reason: stop.reason } : { exit: 124, reason: stop.kind === "budget" ? "limit" : stop.kind }
  const figures = { instructions: board.instructions(), consoleBytes: bytes.length, state: board.hash() }
  const outcome = { ...end, ...figures, console: new TextDecoder().decode(bytes) }
  return { ticks: Math.floor(board.passed() / instructionsPerTick) + 1, outcome }
}

describe("a guest as a task", () => {
  for (const name of NAMES) {
    it(`is the guest alone, however it is cut and wherever it moves: ${name}`, { timeout: 30_000 }, () => {
      const spec = specOf(name)
      const expected = straight(spec)
      const engine = new GuestEngine(PARTS)
      const elsewhere = (task: EngineTask): EngineTask => {
        const progress = JSON.parse(JSON.stringify(task.progress())) as TaskProgress
        task.close()
        const { image: _, ...lean } = spec.guest!
        return new GuestEngine(PARTS).open(progress.guest === undefined ? spec : { ...spec, guest: lean }, progress)
      }
      expect(runInSlices(engine.open(spec, null), 1)).toEqual(expected)
      const moves = new MersenneTwister(9)
      expect(runInSlices(engine.open(spec, null), 2, (task) => (moves.below(3) === 0 ? elsewhere(task) : task))).toEqual(expected)
    })
  }

  it("takes as many ticks when its end falls on the end of a slice", () => {
    const spec = specOf("spin", { instructionsPerTick: 1000, instructionsMax: 20_000 })
    const expected = straight(spec)
    expect(expected.ticks).toBe(21)
    for (let seed = 1; seed <= 10; seed += 1) expect(runInSlices(new GuestEngine(PARTS).open(spec, null), seed)).toEqual(expected)
  })

  it("that sleeps burns its ticks, and ends when the node's clock is there, also when it moves meanwhile", () => {
    const spec = specOf("sleeper", { instructionsPerTick: 1000, image: encodeBase64(SLEEPER) })
    const expected = straight(spec)
    expect(expected).toMatchObject({ ticks: 410, outcome: { exit: 0, reason: "finisher", instructions: 10 } })
    let asleep = 0
    const again = (task: EngineTask): EngineTask => {
      const progress = task.progress()
      asleep += progress.guest?.ended?.reason === "finisher" ? 1 : 0
      return new GuestEngine(PARTS).open(spec, progress)
    }
    expect(runInSlices(new GuestEngine(PARTS).open(spec, null), 3, again)).toEqual(expected)
    expect(asleep).toBeGreaterThan(10)
    const forgetful = (task: EngineTask): EngineTask => {
      const { guest } = task.progress()
      return new GuestEngine(PARTS).open(spec, { left: 0, guest: { ...guest!, ended: null } })
    }
    expect(runInSlices(new GuestEngine(PARTS).open(spec, null), 3, forgetful)).not.toEqual(expected)
  })

  it("brings along what it has written so far", () => {
    const spec = specOf("tohost", { instructionsPerTick: 3 })
    const move =
      (change: (state: GuestState) => GuestState) =>
      (task: EngineTask): EngineTask =>
        new GuestEngine(PARTS).open(spec, { left: 0, guest: change(task.progress().guest!) })
    const expected = straight(spec)
    expect(
      runInSlices(
        new GuestEngine(PARTS).open(spec, null),
        4,
        move((state) => state),
      ),
    ).toEqual(expected)
    const forgetful = move((state) => ({ ...state, console: { kept: "", bytes: 0 } }))
    expect(runInSlices(new GuestEngine(PARTS).open(spec, null), 4, forgetful)).not.toEqual(expected)
  })

  it("does not show in the node before its slice is over: a plan made twice is the same, and so is one that is dropped", () => {
    const task = new GuestEngine(PARTS).open(specOf("timer"), null)
    const cache = newCache()
    const plan = task.plan({ cache, fromTick: 0, budgetTicks: 7 })
    expect(task.plan({ cache, fromTick: 0, budgetTicks: 7 })).toBe(plan)
    expect(cache.isHot("timer")).toBe(false)
    expect(task.run({ cache, fromTick: 0, budgetTicks: 0 })).toMatchObject({ ticks: 0, finished: false })
  })

  it("runs a long slice in parts, and where it is noticed late makes up for one more of them: no step takes long", () => {
    let ran = 0
    const makeEngine = (options: Parameters<GuestParts["makeEngine"]>[0]): WasmEngine => {
      const made = new WasmEngine(options)
      const run = made.run.bind(made)
      made.run = (cpu, budget) => {
        const exit = run(cpu, budget)
        ran += exit.retired
        return exit
      }
      return made
    }
    const spec = specOf("spin", { instructionsPerTick: 1_000_000, instructionsMax: 100_000_000 })
    const task = new GuestEngine({ ...PARTS, makeEngine }).open(spec, null)
    const cache = newCache()
    expect([task.plan({ cache, fromTick: 0, budgetTicks: 50 }), ran]).toEqual([4, 4_000_000])
    expect(task.run({ cache, fromTick: 0, budgetTicks: 4 })).toMatchObject({ ticks: 4, finished: false })
    expect([task.plan({ cache, fromTick: 4, budgetTicks: 46 }), ran]).toEqual([4, 8_000_000])
    expect(task.run({ cache, fromTick: 4, budgetTicks: 90 })).toMatchObject({ ticks: 90, finished: false })
    expect(ran).toBe(12_000_000)
  })

  it("wears the cache of its CPU in", () => {
    const task = new GuestEngine(PARTS).open(specOf("spin"), null)
    const cache = newCache()
    cache.enter("spin", 4)
    expect(task.run({ cache, fromTick: 0, budgetTicks: 10 })).toMatchObject({ ticks: 10, warmTicks: 7 })
    expect(task.run({ cache, fromTick: 0, budgetTicks: 5 })).toMatchObject({ ticks: 5, warmTicks: 5 })
  })

  it("has an engine only while few others ran since; more guests than engines end all the same", { timeout: 30_000 }, () => {
    let engines = 0
    const parts = { ...PARTS, makeEngine: (options: Parameters<GuestParts["makeEngine"]>[0]) => (engines++, new WasmEngine(options)) }
    const engine = new GuestEngine(parts)
    const spec = specOf("timer", { instructionsMax: 30_000 })
    const expected = straight(spec).outcome
    const tasks = Array.from({ length: 20 }, (_, index) => engine.open({ ...spec, task: `t${index}` }, null))
    const cache = newCache()
    for (const task of tasks) expect(task.run({ cache, fromTick: 0, budgetTicks: 5 }).finished).toBe(false)
    expect(engines).toBe(20)
    for (const task of tasks) {
      for (let slice = 0; slice < 100 && !task.run({ cache, fromTick: 0, budgetTicks: 5 }).finished; slice += 1);
      expect(task.outcome()).toEqual(expected)
      task.close()
    }
    expect(engines).toBeGreaterThan(20)
  })
})

describe("a guest that cannot go on", () => {
  const spec = specOf("timer")
  const running = new GuestEngine(PARTS).open(spec, null)
  running.run({ cache: newCache(), fromTick: 0, budgetTicks: 5 })
  const state = running.progress().guest!
  const { board } = state
  const hart = (change: object): GuestState => ({
    ...state,
    board: { ...board, harts: board.harts.map((each) => ({ ...each, ...change })) },
  })
  const BROKEN: Readonly<Record<string, GuestState>> = {
    "harts[0].pc": hart({ pc: "0x80000001" }),
    "harts[0].resume.pc": hart({ resume: { pc: "0x1", opaque: "0x0" } }),
    "harts[0].reservation": hart({ reservation: "0x7fffffff" }),
    harts: { ...state, board: { ...board, harts: [...board.harts, ...board.harts] } },
    turn: { ...state, board: { ...board, turn: 1 } },
    memoryBytes: { ...state, board: { ...board, memoryBytes: 2 * MEMORY_BYTES } },
    "htif.tohost": { ...state, board: { ...board, htif: { tohost: "0xffffffffffffffff", fromhost: null, reading: false } } },
    "htif.fromhost": { ...state, board: { ...board, htif: { tohost: "0x80000000", fromhost: "0x0", reading: false } } },
    pages: { ...state, board: { ...board, pages: [[MEMORY_BYTES / 4096, board.pages[0]![1]]] } },
    console: { ...state, board: { ...board, console: { input: "?", output: "" } } },
  }

  it.each(Object.keys(BROKEN))("is refused where it comes from elsewhere, by the field: %s", (field) => {
    expect(new GuestEngine(PARTS).refusal(spec, { left: 0, guest: BROKEN[field]! })).toContain(`guest.board.${field}: `)
  })

  it("is refused for bytes that are none", () => {
    const short: GuestState = { ...state, board: { ...board, pages: [[0, "AAAA"]] } }
    expect(new GuestEngine(PARTS).refusal(spec, { left: 0, guest: short })).toContain("guest.board.pages: number 0")
    expect(new GuestEngine(PARTS).refusal(spec, { left: 0, guest: { ...state, console: { kept: "A", bytes: 1 } } })).toContain(
      "console.kept",
    )
    expect(new GuestEngine(PARTS).refusal(spec, { left: 0, guest: state })).toBeNull()
  })

  it("is never one whose capture was only damaged in its values: it ends by itself or at its limit, never in the host", () => {
    const random = new MersenneTwister(5)
    const word = (): string => `0x${(BigInt(random.below(2 ** 31)) * BigInt(random.below(2 ** 31)) * 4n).toString(16)}`
    for (let round = 0; round < 40; round += 1) {
      const csrs = board.harts[0]!.csrs.map((value) => (random.below(4) === 0 ? word() : value))
      const damaged = hart({
        csrs,
        registers: board.harts[0]!.registers.map(() => word()),
        pc: `0x${(0x8000_0000 + 2 * random.below(MEMORY_BYTES)).toString(16)}`,
      })
      const engine = new GuestEngine(PARTS)
      if (engine.refusal(spec, { left: 0, guest: damaged }) !== null) continue
      const task = engine.open(spec, { left: 0, guest: damaged })
      expect(task.run({ cache: newCache(), fromTick: 0, budgetTicks: 20 }).ticks).toBeGreaterThan(0)
      task.progress()
    }
  })
})

describe("a guest that cannot be", () => {
  const refusal = (guest: Partial<GuestSpec>): string | null => new GuestEngine(PARTS).refusal(specOf("arith", guest), null)

  it("is refused with what is wrong and what to do", () => {
    expect(refusal({})).toBeNull()
    const { image: _, ...lean } = specOf("arith").guest!
    expect(new GuestEngine(PARTS).refusal({ ...specOf("arith"), guest: lean }, null)).toContain("guest.image")
    expect(refusal({ image: "no base64" })).toContain("guest.image")
    expect(refusal({ image: "" })).toContain("it is empty")
    expect(refusal({ image: encodeBase64(imageOf("arith").subarray(0, 100)) })).toMatch(/.+: .+; .+/)
    expect(refusal({ memoryBytes: 4096 })).not.toBeNull()
    expect(new GuestEngine(PARTS).refusal({ ...specOf("arith"), guest: undefined as never }, null)).toBe("arith is no guest")
  })
})
