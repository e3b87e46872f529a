/** Input waits in order, however it is fed and taken. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Console, INPUT_BYTES_MAX } from "./console.ts"

describe("input of a console", () => {
  it("is taken in the order in which it was fed, and what waits is what was not", () => {
    const steps = fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 30 })), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (all) => {
        const console = new Console()
        let expected: number[] = []
        for (const step of all) {
          if (typeof step === "number") {
            expect(console.take(step)).toEqual(expected.slice(0, step))
            expected = expected.slice(step)
          } else {
            expect(console.feed(step)).toBe(step.length)
            expected.push(...step)
          }
          expect(console.waitingBytes).toBe(expected.length)
          if (step === 0) expect(console.waiting()).toEqual(expected)
        }
        expect([...console.capture().input]).toEqual(expected)
      }),
    )
  })

  it("is refused beyond the limit, and taken again as it is read", () => {
    const console = new Console()
    expect(console.feed(new Uint8Array(INPUT_BYTES_MAX + 5))).toBe(INPUT_BYTES_MAX)
    console.take(3)
    expect(console.feed(new Uint8Array(5))).toBe(3)
  })
})
