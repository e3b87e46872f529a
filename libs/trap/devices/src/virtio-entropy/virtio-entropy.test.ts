import { expect, it } from "vitest"
import { BUFFERS, FakeDriver, FakeMemory } from "../suite/fake-driver.ts"
import { VirtioMmio } from "../virtio-mmio/virtio-mmio.ts"
import { ENTROPY_BYTES_MAX, VirtioEntropy } from "./virtio-entropy.ts"

function newEntropy() {
  const memory = new FakeMemory()
  const asked: number[] = []
  const entropy = new VirtioEntropy(memory, (bytes) => {
    asked.push(bytes)
    return new Uint8Array(bytes).fill(0x5a)
  })
  const driver = new FakeDriver(new VirtioMmio({ interrupt: () => {}, memory }, entropy), memory)
  driver.start()
  return { memory, asked, driver }
}

it("what the driver offers is filled, piece by piece, and no more", () => {
  const { memory, asked, driver } = newEntropy()
  driver.offer(0, [
    { address: BUFFERS, bytes: 3, writable: true },
    { address: BUFFERS + 16n, bytes: 2, writable: true },
  ])
  driver.notify()
  expect([asked, driver.used(0)]).toEqual([[5], { head: 0, written: 5 }])
  expect([...memory.read(BUFFERS, 18)!]).toEqual([0x5a, 0x5a, 0x5a, ...new Array<number>(13).fill(0), 0x5a, 0x5a])
})

it("a huge request gets a part, one outside memory gets nothing", () => {
  const { asked, driver } = newEntropy()
  driver.offer(0, [{ address: BUFFERS, bytes: 0x8000, writable: true }])
  driver.offer(1, [{ address: 0n, bytes: 64, writable: true }])
  driver.notify()
  expect([asked, driver.used(0), driver.used(1)]).toEqual([
    [ENTROPY_BYTES_MAX, 64],
    { head: 0, written: ENTROPY_BYTES_MAX },
    { head: 1, written: 0 },
  ])
})
