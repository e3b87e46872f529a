import { describe, expect, it } from "vitest"
import type { Width } from "../device.ts"
import { Clint, clintReset } from "./clint.ts"

function newClint(harts: number) {
  let now = 100n
  const changed: number[] = []
  const clint = new Clint({ clock: () => now, changed: (hart) => changed.push(hart) }, clintReset(harts))
  return { clint, changed, advance: (ticks: bigint) => (now += ticks) }
}

describe("CLINT", () => {
  it("msip is one bit per hart and is the software interrupt", () => {
    const { clint, changed } = newClint(3)
    clint.store(4, 4, 0xffff_ffffn)
    expect([clint.softwarePending(0), clint.softwarePending(1), clint.load(4, 4), clint.load(0, 8)]).toEqual([false, true, 1n, 1n << 32n])
    clint.store(4, 4, 0n)
    expect([clint.softwarePending(1), changed]).toEqual([false, [1, 1]])
  })

  it("the timer is a level: it rises with time and falls when mtimecmp is written", () => {
    const { clint, advance } = newClint(1)
    clint.store(0x4000, 8, 150n)
    const before = clint.timerPending(0)
    advance(50n)
    const at = clint.timerPending(0)
    clint.store(0x4000, 8, 151n)
    expect([before, at, clint.timerPending(0), clint.deadline(0)]).toEqual([false, true, false, 151n])
  })

  it("mtimecmp may be written in two halves, mtime read in halves", () => {
    const { clint } = newClint(2)
    clint.store(0x4008, 4, 7n)
    clint.store(0x400c, 4, 1n)
    expect([clint.load(0x4008, 8), clint.load(0xbff8, 4), clint.load(0xbffc, 4)]).toEqual([(1n << 32n) | 7n, 100n, 0n])
  })

  it("mtime goes on from what was written, and every hart is looked at again", () => {
    const { clint, advance, changed } = newClint(2)
    clint.store(0xbff8, 8, 5n)
    advance(3n)
    expect([clint.time(), changed]).toEqual([8n, [0, 1]])
  })

  it("harts that do not exist read as zero and can not be written", () => {
    const { clint } = newClint(1)
    for (const offset of [4, 0x4008, 0x8000, 0xbff0, 0xfff8]) {
      clint.store(offset, 8, 0xffn)
      expect(clint.load(offset, 8)).toBe(0n)
    }
  })

  it("any offset and width has an answer that fits its width", () => {
    const { clint } = newClint(2)
    for (let offset = 0; offset < 0x1_0000; offset += 3) {
      for (const width of [1, 2, 4, 8] as const satisfies readonly Width[]) expect(clint.load(offset, width) >> BigInt(width * 8)).toBe(0n)
    }
  })
})
