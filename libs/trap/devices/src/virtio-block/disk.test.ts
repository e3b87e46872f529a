import { describe, expect, it } from "vitest"
import { BUFFERS, FakeDriver, FakeMemory } from "../suite/fake-driver.ts"
import { VirtioMmio } from "../virtio-mmio/virtio-mmio.ts"
import { diskFunction, MemoryDisk } from "./disk.ts"

const image = Uint8Array.from({ length: 1300 }, (_, index) => index & 0xff)

describe("a disk in memory", () => {
  it("reads its image, and what was written over it; the image stays as it is", () => {
    const disk = new MemoryDisk(image)
    disk.write(1, new Uint8Array(512).fill(7))
    expect([disk.sectors, disk.read(0, 1024)[513], disk.read(2, 512)[275], disk.read(2, 512)[276], image[513]]).toEqual([
      3,
      7,
      1299 & 0xff,
      0,
      1,
    ])
    expect([disk.merged().length, disk.sectorsWritten()]).toEqual([1536, 1])
  })

  it("behind virtio-blk it answers before the notification retires", () => {
    const memory = new FakeMemory()
    const levels: boolean[] = []
    const disk = new MemoryDisk(image)
    const device = new VirtioMmio({ interrupt: (level) => levels.push(level), memory }, diskFunction(disk, memory))
    const driver = new FakeDriver(device, memory)
    driver.start()
    memory.write(BUFFERS, new Uint8Array(16))
    driver.offer(0, [
      { address: BUFFERS, bytes: 16, writable: false },
      { address: BUFFERS + 0x100n, bytes: 512, writable: true },
      { address: BUFFERS + 0x400n, bytes: 1, writable: true },
    ])
    driver.notify()
    expect([driver.usedIndex(), driver.used(0).written, levels.at(-1), memory.read(BUFFERS + 0x100n, 2)]).toEqual([
      1,
      513,
      true,
      image.slice(0, 2),
    ])
  })
})
