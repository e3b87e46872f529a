/** Who is asked for how many pages, by how short the node is. */
import { describe, expect, it } from "vitest"
import { balloonTargets } from "./balloon-targets.ts"

const FRAMES = 1000
const VMS = [
  { resident: 300, given: 0 },
  { resident: 100, given: 7 },
]

describe("balloon targets", () => {
  it("share what is missing by what each has, on top of what it gave", () => {
    expect(balloonTargets(VMS, { free: 20, frames: FRAMES })).toEqual([30, 17])
  })

  it("never ask a VM for more than it has", () => {
    expect(balloonTargets([{ resident: 3, given: 0 }], { free: 0, frames: FRAMES })).toEqual([3])
    expect(balloonTargets([{ resident: 0, given: 5 }], { free: 0, frames: FRAMES })).toEqual([5])
  })

  it("stay between the levels, so that nothing goes to and fro", () => {
    expect([40, 60, 79].map((free) => balloonTargets(VMS, { free, frames: FRAMES }))).toEqual([null, null, null])
  })

  it("fall by what is free beyond the goal, and to nothing", () => {
    const given = [
      { resident: 10, given: 60 },
      { resident: 10, given: 20 },
    ]
    expect(balloonTargets(given, { free: 100, frames: FRAMES })).toEqual([30, 10])
    expect(balloonTargets(given, { free: 900, frames: FRAMES })).toEqual([0, 0])
    expect(
      balloonTargets(
        VMS.map((vm) => ({ ...vm, given: 0 })),
        { free: 900, frames: FRAMES },
      ),
    ).toEqual([0, 0])
  })
})
