/** Generated images need no qemu to be sound: they end, they repeat, and the same seed gives the same bytes. */
import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { compareDumps, runInEngine } from "./user-differential.ts"
import { elfOf, makeUserImage } from "./user-image.ts"

const SHAPE = { extensions: ["I", "M", "A", "C", "Zbb"], instructions: 500 } as const
const image = (rounds: number): ReturnType<typeof makeUserImage> => makeUserImage(new Random("image"), { ...SHAPE, rounds })

describe("a generated image", () => {
  it("ends by itself and runs longer with more rounds", () => {
    const once = runInEngine(image(1)).instructions
    expect(runInEngine(image(5)).instructions).toBeGreaterThan(3 * once)
  })

  it("is the same for the same seed", () => {
    expect(elfOf(image(3))).toEqual(elfOf(image(3)))
  })
})

describe("the comparison", () => {
  it("names the register or the data that differs", () => {
    const { dump } = runInEngine(image(1))
    expect(compareDumps(dump, dump)).toBeUndefined()
    expect(compareDumps(dump, undefined)).toMatch(/did not finish/)
    const changed = dump.slice()
    changed[8192 + 8 * 9] = (changed[8192 + 8 * 9] ?? 0) ^ 1
    expect(compareDumps(dump, changed)).toMatch(/^x9: /)
  })
})
