/** Our own guests on the native machine: each ends as the manifest says, and a run is the same however it is cut. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { MersenneTwister } from "@backplane/foundation-base/mersenne-twister"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { buildElf } from "@backplane/compute-image/suite/build-elf"
import { imagePath, readManifest, type Guest } from "@backplane/guests/manifest"
import { Board } from "./board.ts"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 50_000_000
/** The benchmark takes seconds; one guest only runs scripts of others. */
const GUESTS = readManifest().guests.filter((guest) => guest.name !== "bench" && guest.console !== null)

function boardOf(file: Uint8Array, { cpus, stdin }: { cpus: number; stdin: string | null }): Board {
  const image = readImage(file, { memory: { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) }, symbols: ["tohost", "fromhost"] })
  if (image.kind === "rejection") throw new Error(image.reason)
  const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus }), image)
  board.console.feed(new TextEncoder().encode(stdin ?? ""))
  return board
}

function boot(guest: Guest): Board {
  return boardOf(readFileSync(imagePath(guest)), guest)
}

/** What a run came to, with everything that a difference would show in. */
function summary(board: Board, stop: { readonly kind: string }) {
  return {
    stop,
    console: new TextDecoder().decode(board.console.takeOutput()),
    instructions: board.instructions(),
    time: board.time(),
    exits: [...board.exits()],
    harts: board.harts.map((hart) => hart.capture()),
  }
}

describe("our guests on the native machine", () => {
  for (const guest of GUESTS) {
    it(`${guest.name} shows ${guest.proves}`, { timeout: 60_000 }, () => {
      const board = boot(guest)
      const stop = board.run(guest.maxInstructions ?? INSTRUCTIONS_MAX)
      const seen =
        stop.kind === "end" ? { exit: stop.code, reason: stop.reason } : { exit: 124, reason: stop.kind === "budget" ? "limit" : stop.kind }
      expect({ ...seen, console: new TextDecoder().decode(board.console.takeOutput()) }).toEqual({
        exit: guest.exit,
        reason: guest.reason,
        console: guest.console,
      })
    })
  }
})

describe("a run", () => {
  it("is the same however it is cut into budgets", { timeout: 60_000 }, () => {
    for (const guest of GUESTS.filter(({ name }) => ["timer", "smp", "sbi", "echo", "paging"].includes(name))) {
      const whole = boot(guest)
      const expected = summary(whole, whole.run(INSTRUCTIONS_MAX))
      const random = new MersenneTwister(7)
      const cut = boot(guest)
      let stop = cut.run(1)
      for (let turn = 0; turn < 100_000 && stop.kind === "budget"; turn += 1) stop = cut.run(1 + random.below(5000))
      expect(summary(cut, stop)).toEqual(expected)
    }
  })

  it("stops exactly at its budget", () => {
    const board = boot(GUESTS.find(({ name }) => name === "spin")!)
    for (const budget of [1, 2, 999, 20_001]) {
      const before = board.instructions()
      expect(board.run(budget)).toEqual({ kind: "budget" })
      expect(board.instructions() - before).toBe(budget)
    }
  })

  it("of random bytes as code ends by itself or at its budget, never in the host", { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const random = new MersenneTwister(seed)
      const data = Uint8Array.from({ length: 1 << 16 }, () => random.below(256))
      const address = 0x8000_0000n
      const file = buildElf({
        entry: address,
        segments: [{ virtualAddress: address, physicalAddress: address, data, memoryBytes: 1n << 16n }],
        symbols: [],
      })
      const board = boardOf(file, { cpus: 2, stdin: null })
      expect(["budget", "end", "idle", "stuck"]).toContain(board.run(200_000).kind)
    }
  })
})
