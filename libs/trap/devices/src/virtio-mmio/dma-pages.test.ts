/** Which pages a device needs, from what the driver told it and what lies in its descriptors. */
import { describe, expect, it } from "vitest"
import { RAM_BASE, virtioPlace } from "../address-map/virt-map.ts"
import { DmaPages } from "./dma-pages.ts"

const PAGE = 4096
const PAGES = 16
const SLOT = virtioPlace(0).base
const [QUEUE_NUM, DESCRIPTORS, AVAILABLE, USED, NOTIFY] = [0x38n, 0x80n, 0x90n, 0xa0n, 0x50n]

/** A queue in pages 1, 2 and 3, and descriptors as given: page and bytes. */
function queue(size: bigint, descriptors: readonly (readonly [number, number])[]) {
  const ram = new Uint8Array(PAGES * PAGE)
  const view = new DataView(ram.buffer)
  descriptors.forEach(([page, bytes], index) => {
    view.setBigUint64(PAGE + index * 16, RAM_BASE + BigInt(page * PAGE), true)
    view.setUint32(PAGE + index * 16 + 8, bytes, true)
  })
  const at = (address: bigint): number => Number(address - RAM_BASE)
  const isMemory = (address: bigint, bytes: number): boolean => address >= RAM_BASE && at(address) + bytes <= ram.length
  const read = (address: bigint, bytes: number): Uint8Array | null =>
    isMemory(address, bytes) ? ram.slice(at(address), at(address) + bytes) : null
  const dma = new DmaPages({ isMemory, read })
  const told = [
    [QUEUE_NUM, size],
    [DESCRIPTORS, RAM_BASE + BigInt(PAGE)],
    [AVAILABLE, RAM_BASE + BigInt(2 * PAGE)],
    [USED, RAM_BASE + BigInt(3 * PAGE)],
  ] as const
  for (const [register, value] of told) expect(dma.stored(SLOT + register, value & 0xffff_ffffn)).toBe(false)
  return dma
}

describe("pages of a device's DMA", () => {
  it("are those of its rings and of every descriptor, where they end in RAM", () => {
    const dma = queue(4n, [
      [5, 16],
      [6, 2 * PAGE],
      [40, 512],
    ])
    expect(dma.stored(SLOT + NOTIFY, 0n)).toBe(true)
    expect([...dma.pages(SLOT)].sort((a, b) => a - b)).toEqual([1, 2, 3, 5, 6, 7])
  })

  it("of a register outside of the devices, and of a device that was told nothing, are none", () => {
    const dma = queue(4n, [])
    expect(dma.stored(SLOT - 0x1000n + NOTIFY, 0n)).toBe(false)
    expect(dma.pages(SLOT + 0x1000n)).toEqual([])
  })

  it("are bounded, whatever a guest writes for the size of its queue", () => {
    const dma = queue(0xffff_ffffn, [[5, 16]])
    expect(dma.pages(SLOT).length).toBeLessThan(PAGES)
  })
})
