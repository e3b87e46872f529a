import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { ContentSlots } from "./content-slots.ts"
import { MemoryPageDevice, SLOT_BYTES } from "./page-device.ts"

const SLOTS = 4
/** Few different pages, so that equal ones are common; 0 is the page of zeros. */
const pageOf = (kind: number): Uint8Array => new Uint8Array(SLOT_BYTES).fill(kind === 0 ? 0 : kind, kind === 0 ? 0 : SLOT_BYTES - 1)

describe("slots by content", () => {
  it("gives back what was put, holds equal pages once, and has a slot as long as there are fewer contents than slots", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(6)), { maxLength: 60 }), (steps) => {
        const slots = new ContentSlots(new MemoryPageDevice(SLOTS))
        const held: { kind: number; slot: number }[] = []
        for (const [puts, kind] of steps) {
          const contents = new Set(held.flatMap((each) => (each.kind === 0 ? [] : [each.kind])))
          if (puts) {
            const slot = slots.put(pageOf(kind))
            expect(slot === null).toBe(kind !== 0 && !contents.has(kind) && contents.size === SLOTS)
            if (slot !== null) held.push({ kind, slot })
          } else {
            const [gone] = held.splice(kind % Math.max(1, held.length), 1)
            if (gone !== undefined) slots.release(gone.slot)
          }
          for (const each of held) expect(slots.read(each.slot)).toEqual(pageOf(each.kind))
          expect(slots.used).toBe(new Set(held.flatMap((each) => (each.kind === 0 ? [] : [each.kind]))).size)
        }
      }),
      { numRuns: 60 },
    )
  })

  it("knows after a restart what it held", () => {
    const device = new MemoryPageDevice(SLOTS)
    const before = new ContentSlots(device)
    const [a, b] = [before.put(pageOf(1)), before.put(pageOf(2))]
    const after = new ContentSlots(device)
    for (const slot of [a, b]) after.hold(slot ?? -1)
    expect(after.put(pageOf(2))).toBe(b)
    expect(after.put(pageOf(3))).not.toBe(a)
    expect(after.used).toBe(3)
  })
})
