/** A frame that is taken away takes its leaves along, all of them and no others, without a look at the whole tree. */
import { describe, expect, it, vi } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { Random } from "@backplane/foundation-base/random"
import { MachineFrames } from "./machine-frames.ts"
import { ShadowSpace } from "./shadow-space.ts"

const TRANSLATION = { mode: "sv39", root: 7n, fetchPrivilege: 0, dataPrivilege: 0, sum: false, mxr: false } as const
const FIRST = RAM_BASE >> 12n
/** Regions of both halves of Sv39. */
const BASES = [0n, 0x4000_0000n, 0xffff_ffc0_0000_0000n, 0xffff_ffff_ffe0_0000n]
const STEPS = 6000

function space() {
  const engine = new WasmEngine({ memoryBytes: 2 << 20, cpus: 1 })
  const made = new ShadowSpace({ engine, frames: new MachineFrames(engine), translation: TRANSLATION })
  const leaves = (): [bigint, bigint][] =>
    [...made.entries()].map(({ address, machinePage }): [bigint, bigint] => [address, machinePage]).sort(([a], [b]) => (a < b ? -1 : 1))
  return { engine, made, leaves }
}

describe("a shadow tree", () => {
  it("forgets the leaves of frames and of tables as one that is looked through whole", () => {
    const { made, leaves } = space()
    const random = new Random("leaves")
    const model = new Map<bigint, { readonly frame: bigint; readonly table: bigint }>()
    for (let step = 0; step < STEPS; step++) {
      const base = BASES[random.between(0, BASES.length - 1)]!
      const frame = FIRST + BigInt(random.between(200, 260))
      const draw = random.between(0, 99)
      if (draw < 90) {
        const address = base + BigInt(random.between(0, 511)) * 4096n
        // One table a region: what hangs on it is what lies there.
        made.install({ address, machinePage: frame, read: true, write: true, execute: false, tables: [base] })
        model.set(address, { frame, table: base })
      } else if (draw < 99) {
        const gone = new Set([frame, frame + 1n])
        made.dropFrames(gone)
        for (const [address, leaf] of model) if (gone.has(leaf.frame)) model.delete(address)
      } else {
        made.dropTable(base)
        for (const [address, { table }] of model) if (table === base) model.delete(address)
      }
      if (step % 50 === 0) {
        const expected = [...model].map(([address, leaf]): [bigint, bigint] => [address, leaf.frame])
        expect(leaves()).toEqual(expected.sort(([a], [b]) => (a < b ? -1 : 1)))
      }
    }
  })

  it("reads an entry for each leaf that goes, and no table", () => {
    const { engine, made, leaves } = space()
    for (let page = 0; page < 400; page++) {
      const address = BigInt(page) * 4096n
      made.install({ address, machinePage: FIRST + BigInt(page), read: true, write: true, execute: false, tables: [] })
    }
    const read = vi.spyOn(engine, "readMemory")
    made.dropFrames(new Set([FIRST + 3n]))
    expect(read.mock.calls.map(([, bytes]) => bytes)).toEqual([8])
    expect(leaves().length).toBe(399)
  })
})
