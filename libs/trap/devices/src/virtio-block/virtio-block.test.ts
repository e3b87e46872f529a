import { describe, expect, it } from "vitest"
import { BUFFERS, FakeDriver, FakeMemory, type FakeDescriptor } from "../suite/fake-driver.ts"
import { VirtioMmio } from "../virtio-mmio/virtio-mmio.ts"
import { SECTOR_BYTES, VirtioBlock, type DiskRequest } from "./virtio-block.ts"

const HEADER = BUFFERS
const DATA = BUFFERS + 0x100n
const STATUS = BUFFERS + 0x4000n

function newDisk(writable = true) {
  const memory = new FakeMemory()
  const requests: DiskRequest[] = []
  const block = new VirtioBlock({ sectors: 8n, writable, identity: "disk-1", memory, submit: (request) => requests.push(request) })
  const device = new VirtioMmio({ interrupt: () => {}, memory }, block)
  const driver = new FakeDriver(device, memory)
  driver.start()
  const ask = (type: number, sector: number, data: readonly FakeDescriptor[]) => {
    const header = new Uint8Array(16)
    const view = new DataView(header.buffer)
    view.setUint32(0, type, true)
    view.setBigUint64(8, BigInt(sector), true)
    memory.write(HEADER, header)
    memory.write(STATUS, Uint8Array.of(0xff))
    driver.offer(0, [{ address: HEADER, bytes: 16, writable: false }, ...data, { address: STATUS, bytes: 1, writable: true }])
    driver.notify()
  }
  return { memory, requests, block, device, driver, ask, status: () => memory.read(STATUS, 1)?.[0] }
}

const into = (bytes: number): FakeDescriptor => ({ address: DATA, bytes, writable: true })
const from = (bytes: number): FakeDescriptor => ({ address: DATA, bytes, writable: false })

describe("virtio-block", () => {
  it("a read goes to the disk, its answer to memory, its length and status to the driver", () => {
    const { ask, requests, block, memory, driver, status } = newDisk()
    ask(0, 3, [into(1024)])
    expect([requests, driver.usedIndex()]).toEqual([[{ kind: "read", tag: 0, sector: 3n, bytes: 1024 }], 0])
    block.complete(0, { kind: "done", data: new Uint8Array(1024).fill(0xab) })
    expect([driver.used(0), status(), memory.read(DATA + 1023n, 1)]).toEqual([{ head: 0, written: 1025 }, 0, Uint8Array.of(0xab)])
  })

  it("a write carries the bytes as they were when it was taken", () => {
    const { ask, requests, block, memory, driver, status } = newDisk()
    memory.write(DATA, new Uint8Array(SECTOR_BYTES).fill(1))
    ask(1, 7, [from(SECTOR_BYTES)])
    memory.write(DATA, new Uint8Array(SECTOR_BYTES).fill(2))
    expect(requests).toEqual([{ kind: "write", tag: 0, sector: 7n, data: new Uint8Array(SECTOR_BYTES).fill(1) }])
    block.complete(0, { kind: "done" })
    expect([driver.used(0).written, status()]).toEqual([1, 0])
  })

  it("flush and identity are served, other types are unsupported", () => {
    const flush = newDisk()
    flush.ask(4, 0, [])
    flush.block.complete(0, { kind: "done" })
    expect([flush.requests, flush.status()]).toEqual([[{ kind: "flush", tag: 0 }], 0])
    const identity = newDisk()
    identity.ask(8, 0, [into(20)])
    expect([String.fromCharCode(...identity.memory.read(DATA, 6)!), identity.status()]).toEqual(["disk-1", 0])
    const other = newDisk()
    other.ask(11, 0, [])
    expect([other.status(), other.requests]).toEqual([2, []])
  })

  it("what does not fit the disk fails before anything is moved: beyond the end, half sectors, nothing, a disk that is read-only, no memory", () => {
    const cases: readonly ((disk: ReturnType<typeof newDisk>) => void)[] = [
      (disk) => disk.ask(0, 8, [into(SECTOR_BYTES)]),
      (disk) => disk.ask(0, 7, [into(2 * SECTOR_BYTES)]),
      (disk) => disk.ask(0, 0, [into(100)]),
      (disk) => disk.ask(0, 0, []),
      (disk) => disk.ask(1, 0, [{ address: 0x1000n, bytes: SECTOR_BYTES, writable: false }]),
    ]
    for (const bad of cases) {
      const disk = newDisk()
      bad(disk)
      expect([disk.status(), disk.requests, disk.driver.used(0).written]).toEqual([1, [], 1])
    }
    const readOnly = newDisk(false)
    readOnly.ask(1, 0, [from(SECTOR_BYTES)])
    expect([readOnly.status(), readOnly.requests]).toEqual([1, []])
  })

  it("a disk that fails, and one that answers after a reset, are told apart from success", () => {
    const failing = newDisk()
    failing.ask(0, 0, [into(SECTOR_BYTES)])
    failing.block.complete(0, { kind: "failed" })
    expect(failing.status()).toBe(1)
    const late = newDisk()
    late.ask(0, 0, [into(SECTOR_BYTES)])
    late.driver.start()
    late.block.complete(0, { kind: "done", data: new Uint8Array(SECTOR_BYTES).fill(9) })
    expect([late.memory.read(DATA, 1), late.driver.usedIndex()]).toEqual([Uint8Array.of(0), 0])
  })

  it("the header may be cut into pieces and share a descriptor with the data", () => {
    const { memory, driver, requests } = newDisk()
    const header = new Uint8Array(16 + SECTOR_BYTES).fill(5)
    header.set([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
    memory.write(HEADER, header)
    driver.offer(0, [
      { address: HEADER, bytes: 5, writable: false },
      { address: HEADER + 5n, bytes: 11 + SECTOR_BYTES, writable: false },
      { address: STATUS, bytes: 1, writable: true },
    ])
    driver.notify()
    expect(requests).toEqual([{ kind: "write", tag: 0, sector: 2n, data: new Uint8Array(SECTOR_BYTES).fill(5) }])
  })

  it("its configuration begins with the capacity in sectors", () => {
    expect(newDisk().device.load(0x100, 8)).toBe(8n)
  })
})
