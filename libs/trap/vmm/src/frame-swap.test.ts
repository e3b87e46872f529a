import { describe, expect, it } from "vitest"
import { FrameSwap, type SwapStore } from "./frame-swap.ts"
import type { MachineFrames } from "./machine-frames.ts"
import type { PhysicalMap } from "./physical-map.ts"
import { WorkMeter } from "./work-meter.ts"

const STORE: SwapStore = { put: () => 1, read: () => new Uint8Array(4096), release: () => undefined }
/** Units of work that the hand needs for a page. */
const STEP = 30

/** Memories whose pages stay, and on which pages the hand has been. */
function hand(sizes: readonly number[]) {
  const seen: string[] = []
  const memories = sizes.map((pages, number) => {
    const canGoOut = (index: number): boolean => {
      seen.push(`${number}.${index}`)
      return false
    }
    return { pages, canGoOut } as unknown as PhysicalMap
  })
  const frames = { free: () => 0 } as unknown as MachineFrames
  const swap = new FrameSwap({ store: STORE, slots: 8, frames, memories: () => memories, work: new WorkMeter() })
  const go = (steps: number): string[] => {
    seen.length = 0
    swap.reclaim(1, { work: steps * STEP })
    return [...seen]
  }
  return { go, memories, swap }
}

describe("the hand of the clock", () => {
  it("goes round all pages of all VMs", () => {
    const { go } = hand([2, 3])
    expect([go(3), go(4)]).toEqual([
      ["0.0", "0.1", "1.0"],
      ["1.1", "1.2", "0.0"], // one step to begin anew
    ])
  })

  it("goes on with those that are left where the VM that it stood in has gone", () => {
    const { go, memories } = hand([2, 3])
    go(4)
    memories.pop()
    expect(go(3)).toEqual(["0.0", "0.1"])
    memories.pop()
    expect(go(3)).toEqual([])
  })
})

it("says of each page that went out once that it did", () => {
  const { swap } = hand([1])
  expect(swap.takeOuts()).toBe(0)
  swap.takeOut(new Uint8Array(4096))
  swap.takeOut(new Uint8Array(4096))
  expect([swap.takeOuts(), swap.takeOuts(), swap.counts().outs]).toEqual([2, 0, 2])
})
