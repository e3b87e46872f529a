/** Pages that other nodes share: no CPU does more with them than it may, and no rights stay on a frame that is given back. */
import { RAM_BASE, type FrameRights } from "@backplane/compute-contract/engine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { Random } from "@backplane/foundation-base/random"
import { describe, expect, it } from "vitest"
import { MachineFrames, PAGE_BYTES, PAGE_SHIFT } from "./machine-frames.ts"
import { PhysicalMap } from "./physical-map.ts"

const PAGES = 8
const FIRST = RAM_BASE >> PAGE_SHIFT
/** ld a0, 0(a1); sd a0, 0(a1), at the first instruction of a page that every CPU may execute. */
const LOAD = 0x0005b503
const STORE = 0x00a5b023
const A1 = 11

function machine() {
  const engine = new WasmEngine({ memoryBytes: (PAGES + 4) * PAGE_BYTES, cpus: 1 })
  const frames = new MachineFrames(engine)
  const code = frames.allocate("vmm")!
  const words = new Uint32Array([LOAD, STORE])
  engine.writeMemory(code << PAGE_SHIFT, new Uint8Array(words.buffer))
  /** What a CPU can do with that frame now. */
  const can = (frame: bigint): FrameRights => {
    const retires = (offset: bigint): boolean => {
      engine.writeRegister(0, A1, frame << PAGE_SHIFT)
      engine.writePc(0, (code << PAGE_SHIFT) + offset)
      return engine.run(0, 1).retired === 1
    }
    return retires(4n) ? "write" : retires(0n) ? "read" : "none"
  }
  return { engine, frames, can }
}

describe("rights of shared pages", () => {
  it("R1: are those of the frame that a page has, whenever it got it; and every frame is whole again when its VM is gone", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = new Random(seed)
      const { engine, frames, can } = machine()
      const memory = new PhysicalMap({ engine, frames, owner: 1, bytes: PAGES * PAGE_BYTES, coherent: true })
      const rights = new Array<FrameRights>(PAGES).fill("none")
      const given = new Set<bigint>()
      for (let step = 0; step < 60; step++) {
        const page = random.below(PAGES)
        if (random.below(2) === 0) {
          rights[page] = random.pick(["none", "read", "write"] as const)
          memory.setRights(page, rights[page])
        }
        const frame = memory.machinePage(FIRST + BigInt(page))!
        given.add(frame)
        expect([seed, step, can(frame)]).toEqual([seed, step, rights[page]])
        expect(memory.pageShort(frame << PAGE_SHIFT)).toBe(page)
        expect([memory.canShare(page), memory.canGoOut(page)]).toEqual([false, false])
      }
      memory.releaseAll()
      for (const frame of given) expect([seed, can(frame)]).toEqual([seed, "write"])
    }
  })

  it("hold up no write of the host: what comes from another node is there before anybody may use it", () => {
    const { engine, frames, can } = machine()
    const memory = new PhysicalMap({ engine, frames, owner: 1, bytes: PAGES * PAGE_BYTES, coherent: true })
    memory.writePage(2, new Uint8Array(PAGE_BYTES).fill(7))
    expect([memory.copyOf(2)[0], can(memory.machinePage(FIRST + 2n)!)]).toEqual([7, "none"])
  })

  it("are no matter of a memory that lies on one node", () => {
    const { engine, frames, can } = machine()
    const memory = new PhysicalMap({ engine, frames, owner: 1, bytes: PAGES * PAGE_BYTES })
    const frame = memory.machinePage(FIRST)!
    memory.setRights(0, "none")
    expect([can(frame), memory.pageShort(frame << PAGE_SHIFT)]).toEqual(["write", null])
  })
})
