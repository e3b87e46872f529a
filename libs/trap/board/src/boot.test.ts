/** What a kernel finds at the end of its memory. */
import { describe, expect, it } from "vitest"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { placeEndOfMemory } from "./boot.ts"

const MEMORY_BYTES = 1 << 20
const END = RAM_BASE + BigInt(MEMORY_BYTES)
const imageOf = (memoryBytes: bigint) => ({
  entry: RAM_BASE,
  start: "supervisor" as const,
  segments: [{ address: RAM_BASE, data: new Uint8Array(4), memoryBytes }],
  symbols: new Map<string, bigint>(),
})

/** Where the eight bytes of a 64-bit cell stand in the tree. */
function indexOfCell(tree: Uint8Array, value: bigint): number {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, value)
  return Buffer.from(tree).indexOf(bytes)
}

describe("the end of memory", () => {
  it("holds the device tree, and below it the RAM disk, each on pages of its own, and the tree tells where", () => {
    const initialRamDisk = new Uint8Array(5000).fill(7)
    const { tree, treeAddress, ramDisk } = placeEndOfMemory(imageOf(4096n), { memoryBytes: MEMORY_BYTES, cpus: 1, initialRamDisk })!
    expect([treeAddress % 4096n, ramDisk!.from % 4096n]).toEqual([0n, 0n])
    expect(treeAddress + BigInt(tree.length) <= END).toBe(true)
    expect(ramDisk!.from + 5000n <= treeAddress).toBe(true)
    expect(ramDisk!.data).toBe(initialRamDisk)
    for (const at of [ramDisk!.from, ramDisk!.from + 5000n]) expect(indexOfCell(tree, at)).toBeGreaterThan(0)
  })

  it("is refused when the image reaches into it", () => {
    const machine = { memoryBytes: MEMORY_BYTES, cpus: 1 }
    expect(placeEndOfMemory(imageOf(BigInt(MEMORY_BYTES) - 4096n), machine)).toBeDefined()
    expect(placeEndOfMemory(imageOf(BigInt(MEMORY_BYTES)), machine)).toBeUndefined()
    const initialRamDisk = new Uint8Array(8192)
    expect(placeEndOfMemory(imageOf(BigInt(MEMORY_BYTES) - 8192n), { ...machine, initialRamDisk })).toBeUndefined()
    expect(placeEndOfMemory(imageOf(4096n), { ...machine, initialRamDisk: new Uint8Array(2 * MEMORY_BYTES) })).toBeUndefined()
  })
})
