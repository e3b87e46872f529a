/**
 * A capture is complete: a run that is cut anywhere, captured, and gone on with on another board is the run that was not cut. Each part
 * of a capture that is forgotten on purpose must show.
 */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { Board } from "./board.ts"
import { imagePath, readManifest, type Guest } from "@backplane/guests/manifest"
import type { BoardCapture, HartRecord } from "@backplane/compute-contract/guest-state"

/** A kernel image lies 2 MiB above the start of RAM. */
const memoryOf = (guest: Guest): number => (guest.format === "flat" ? 4 << 20 : 1 << 20)
/** Where a guest without end is taken to have ended. */
const INSTRUCTIONS_MAX = 200_000
const CUTS = 8
/** The long benchmark is the short one again. */
const GUESTS = readManifest().guests.filter((guest) => guest.name !== "bench" && guest.console !== null)

function boot(guest: Guest): Board {
  const memoryBytes = memoryOf(guest)
  const memory = { base: 0x8000_0000n, bytes: BigInt(memoryBytes) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: ["tohost", "fromhost"] })
  if (image.kind === "rejection") throw new Error(image.reason)
  const board = new Board(new WasmEngine({ memoryBytes, cpus: guest.cpus }), image)
  board.console.feed(new TextEncoder().encode(guest.stdin ?? ""))
  return board
}

/** As over the bus. */
function goOn(capture: BoardCapture): Board {
  const copy = JSON.parse(JSON.stringify(capture)) as BoardCapture
  return new Board(new WasmEngine({ memoryBytes: copy.memoryBytes, cpus: copy.harts.length }), copy)
}

/** All that a difference would show in. */
function finish(board: Board): unknown {
  const left = INSTRUCTIONS_MAX - board.instructions()
  const stop = left > 0 ? board.run(left) : { kind: "budget" }
  const console = new TextDecoder().decode(board.console.takeOutput())
  return { stop, console, instructions: board.instructions(), time: board.time(), exits: [...board.exits()], hash: board.hash() }
}

/** The same guest with a move at each of the cuts, each time through `change`. */
function withMoves(guest: Guest, cuts: readonly number[], change: (capture: BoardCapture) => BoardCapture): unknown {
  let board = boot(guest)
  for (const cut of cuts) {
    const budget = Math.min(cut, INSTRUCTIONS_MAX - board.instructions())
    if (budget === 0 || board.run(budget).kind !== "budget") break
    board = goOn(change(board.capture()))
  }
  return finish(board)
}

function drawnCuts(seed: number, most: number): readonly number[] {
  const random = new MersenneTwister(seed)
  return Array.from({ length: CUTS }, () => 1 + random.below(most))
}

const unchanged = (capture: BoardCapture): BoardCapture => capture

describe("a run that is cut, captured and gone on with elsewhere", () => {
  for (const guest of GUESTS) {
    it(`is the run that was not: ${guest.name}`, { timeout: 60_000 }, () => {
      const straight = boot(guest)
      const expected = finish(straight)
      const length = Math.max(1, Math.floor((2 * straight.instructions()) / CUTS))
      for (const seed of [1, 2]) expect(withMoves(guest, drawnCuts(seed, length), unchanged), `seed ${seed}`).toEqual(expected)
    })
  }

  it("is the run that was not, cut between a load-reserved and its store-conditional", { timeout: 60_000 }, () => {
    const guest = GUESTS.find(({ name }) => name === "atomic")!
    const expected = finish(boot(guest))
    const walker = boot(guest)
    let cuts = 0
    for (let at = 0; at < 2000 && cuts < 5 && walker.run(1).kind === "budget"; at += 1) {
      if (walker.engine.readReservation(0) === null) continue
      cuts += 1
      expect(finish(goOn(walker.capture())), `after ${at + 1} instructions`).toEqual(expected)
    }
    expect(cuts).toBe(5)
  })

  it("has a hash that every register, device and byte of memory shows in", () => {
    const board = boot(GUESTS.find(({ name }) => name === "timer")!)
    board.run(500)
    const capture = board.capture()
    expect(goOn(capture).hash()).toBe(board.hash())
    for (const changed of [...PLANTED.values()].map(({ forget }) => forget(capture)))
      if (JSON.stringify(changed) !== JSON.stringify(capture)) expect(goOn(changed).hash()).not.toBe(board.hash())
  })
})

const harts = (capture: BoardCapture, change: (hart: HartRecord) => Partial<HartRecord>): BoardCapture => ({
  ...capture,
  harts: capture.harts.map((hart) => ({ ...hart, ...change(hart) })),
})
const csr = (slot: number) => (capture: BoardCapture) => harts(capture, ({ csrs }) => ({ csrs: csrs.with(slot, "0x0") }))
const devices = (capture: BoardCapture, change: Partial<BoardCapture["devices"]>): BoardCapture => ({
  ...capture,
  devices: { ...capture.devices, ...change },
})

interface Planted {
  /** The guest that must show it. */
  readonly guest: string
  readonly forget: (capture: BoardCapture) => BoardCapture
}

/** What somebody might forget. */
const PLANTED: ReadonlyMap<string, Planted> = new Map<string, Planted>([
  [
    "a register",
    { guest: "bench-short", forget: (capture) => harts(capture, ({ registers }) => ({ registers: registers.with(8, "0x0") })) },
  ],
  ["the program counter", { guest: "arith", forget: (capture) => harts(capture, () => ({ pc: "0x80000000" })) }],
  ["the retired instructions", { guest: "timer", forget: (capture) => harts(capture, () => ({ instret: "0x0" })) }],
  ["mtvec", { guest: "timer", forget: csr(7) }],
  ["mie", { guest: "timer", forget: csr(4) }],
  ["satp", { guest: "paging", forget: csr(23) }],
  ["a hart that waits", { guest: "sleep", forget: (capture) => harts(capture, () => ({ waiting: false })) }],
  ["a hart that is stopped", { guest: "sbi", forget: (capture) => harts(capture, () => ({ state: "stopped" })) }],
  [
    "the timer comparison",
    { guest: "timer", forget: (capture) => devices(capture, { clint: { ...capture.devices.clint, compare: ["0xffffffffffffffff"] } }) },
  ],
  ["mtime", { guest: "timer", forget: (capture) => ({ ...capture, passed: 0 }) }],
  [
    "the interrupt enables of the UART",
    { guest: "echo", forget: (capture) => devices(capture, { uart: { ...capture.devices.uart, ier: 0 } }) },
  ],
  [
    "bytes that the UART has received",
    { guest: "echo", forget: (capture) => devices(capture, { uart: { ...capture.devices.uart, received: [] } }) },
  ],
  ["that the UART is in use", { guest: "echo", forget: (capture) => devices(capture, { uartUsed: false }) }],
  ["input that waits", { guest: "echo", forget: (capture) => ({ ...capture, console: { ...capture.console, input: "" } }) }],
  ["output that waits", { guest: "echo", forget: (capture) => ({ ...capture, console: { ...capture.console, output: "" } }) }],
  ["HTIF", { guest: "tohost", forget: (capture) => ({ ...capture, htif: null }) }],
  ["whose turn it is", { guest: "smp", forget: (capture) => ({ ...capture, turn: 0 }) }],
  ["the rest of the window", { guest: "smp", forget: (capture) => ({ ...capture, windowLeft: 20_000 }) }],
  ["the last page", { guest: "paging", forget: (capture) => ({ ...capture, pages: capture.pages.slice(0, -1) }) }],
  ["the first page", { guest: "arith", forget: (capture) => ({ ...capture, pages: capture.pages.slice(1) }) }],
  ["a page in the middle", { guest: "bench-short", forget: (capture) => ({ ...capture, pages: capture.pages.toSpliced(2, 1) }) }],
  ["a reservation", { guest: "atomic", forget: (capture) => harts(capture, () => ({ reservation: null })) }],
])

describe("what is forgotten in a capture shows", () => {
  for (const [what, { guest: name, forget }] of PLANTED) {
    it(`${what}, in ${name}`, { timeout: 60_000 }, () => {
      const guest = GUESTS.find((each) => each.name === name)!
      const straight = boot(guest)
      const expected = JSON.stringify(finish(straight), (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))
      const length = Math.max(1, Math.floor((2 * straight.instructions()) / CUTS))
      const shows = (): boolean => {
        for (let seed = 1; seed <= 40; seed += 1) {
          const seen = withMoves(guest, drawnCuts(seed, length), forget)
          if (JSON.stringify(seen, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)) !== expected) return true
        }
        return false
      }
      expect(shows()).toBe(true)
    })
  }
})
