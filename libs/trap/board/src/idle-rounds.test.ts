/** Windows that a hart passes by when it came round with nothing to do. */
import { WasmEngine } from "@backplane/compute-engine/engine"
import { describe, expect, it } from "vitest"
import { Board } from "./board.ts"
import { IdleRounds } from "./idle-rounds.ts"
import type { BootImage } from "./board-types.ts"

const never = (): boolean => false

describe("rounds of a kernel with nothing to do", () => {
  /** Windows passed by before each one that it takes, where it always comes round. */
  const passedEach = (rounds: IdleRounds, times: number): number[] =>
    Array.from({ length: times }, () => {
      let passed = 0
      while (rounds.passes(0, never)) passed++
      rounds.cameRound(0)
      return passed
    })

  it("are further apart each time, up to a limit; a busy window begins anew", () => {
    const rounds = new IdleRounds(2)
    expect(passedEach(rounds, 8)).toEqual([0, 1, 2, 4, 8, 16, 16, 16])
    while (rounds.passes(0, never));
    // It found work in that window.
    expect(passedEach(rounds, 3)).toEqual([0, 1, 2])
    expect(rounds.passes(1, never)).toBe(false)
  })

  it("an interrupt ends the rest at once", () => {
    const rounds = new IdleRounds(1)
    passedEach(rounds, 6)
    expect(rounds.passes(0, never)).toBe(true)
    expect(rounds.passes(0, () => true)).toBe(false)
    expect(rounds.passes(0, never)).toBe(false)
  })

  it("on the board: a hart that works does as before, and the others hardly run", () => {
    // Hart 0: bnez a0, idle; x5 = 2^20; addi x5, x5, -1; bnez back; 0x5555 to the finisher.
    const works = [0x02051063, 0x001002b7, 0xfff28293, 0xfe029ee3, 0x00005337, 0x55530313, 0x001003b7, 0x0063a023]
    // The others, for ever: sw x0, 64(x5); csrci sstatus, 2; csrsi sstatus, 2.
    const idle = [0x00000297, 0x0402a023, 0x10017073, 0x10016073, 0xff5ff06f]
    const data = new Uint8Array(128)
    for (const [index, word] of [...works, ...idle].entries()) new DataView(data.buffer).setUint32(index * 4, word, true)
    const image: BootImage = {
      ...{ entry: 0x8000_0000n, start: "machine", symbols: new Map() },
      segments: [{ address: 0x8000_0000n, data, memoryBytes: 128n }],
    }
    const instructions = (["run", "give-way"] as const).map((idleRounds) => {
      const board = new Board(new WasmEngine({ memoryBytes: 1 << 20, cpus: 3 }), image, { idleRounds })
      expect(board.run(100_000_000)).toEqual({ kind: "end", reason: "finisher", code: 0 })
      return board.instructions()
    })
    expect(instructions[0]).toBeGreaterThan(6_000_000)
    expect(instructions[1]).toBeLessThan(2_110_000) // of which 2,097,157 are hart 0's
  })
})
