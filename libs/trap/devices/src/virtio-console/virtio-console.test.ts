import { expect, it } from "vitest"
import { BUFFERS, FakeDriver, FakeMemory } from "../suite/fake-driver.ts"
import { Register } from "../virtio-mmio/virtio-registers.ts"
import { VirtioMmio } from "../virtio-mmio/virtio-mmio.ts"
import { RECEIVE_QUEUE, TRANSMIT_QUEUE, VirtioConsole } from "./virtio-console.ts"

function newConsole(queue: number) {
  const memory = new FakeMemory()
  const input: number[] = []
  const output: number[] = []
  const wires: boolean[] = []
  const console = new VirtioConsole({
    memory,
    output: (byte) => output.push(byte),
    waiting: () => input.length,
    take: (bytes) => input.splice(0, bytes),
  })
  const device = new VirtioMmio({ interrupt: (level) => wires.push(level), memory }, console)
  const driver = new FakeDriver(device, memory, queue)
  driver.start()
  return { memory, input, output, wires, device, driver }
}

it("what the driver sends comes out in order, over the pieces of a buffer, and the buffer comes back empty", () => {
  const { memory, output, driver } = newConsole(TRANSMIT_QUEUE)
  memory.write(BUFFERS, Uint8Array.from([1, 2, 3]))
  memory.write(BUFFERS + 64n, Uint8Array.from([4, 5]))
  driver.offer(0, [
    { address: BUFFERS, bytes: 3, writable: false },
    { address: BUFFERS + 64n, bytes: 2, writable: false },
  ])
  driver.notify()
  expect([output, driver.used(0)]).toEqual([[1, 2, 3, 4, 5], { head: 0, written: 0 }])
})

it("buffers wait for input; it fills one after the other, and no more of them than it needs", () => {
  const { memory, input, wires, device, driver } = newConsole(RECEIVE_QUEUE)
  for (const head of [0, 1, 2]) driver.offer(head, [{ address: BUFFERS + BigInt(head * 16), bytes: 4, writable: true }])
  driver.notify()
  expect([driver.usedIndex(), wires]).toEqual([0, [false]])
  input.push(1, 2, 3, 4, 5)
  device.serve(RECEIVE_QUEUE)
  expect([driver.usedIndex(), driver.used(0), driver.used(1)]).toEqual([2, { head: 0, written: 4 }, { head: 1, written: 1 }])
  expect([[...memory.read(BUFFERS, 4)!], [...memory.read(BUFFERS + 16n, 2)!], input.length]).toEqual([[1, 2, 3, 4], [5, 0], 0])
  expect(wires.at(-1)).toBe(true)
})

it("input that finds no buffer waits for one", () => {
  const { input, device, driver } = newConsole(RECEIVE_QUEUE)
  input.push(7)
  device.serve(RECEIVE_QUEUE)
  expect(input).toEqual([7])
  driver.offer(0, [{ address: BUFFERS, bytes: 4, writable: true }])
  driver.notify()
  expect([input, driver.used(0)]).toEqual([[], { head: 0, written: 1 }])
})

it("a buffer that is not memory loses no input; a reset forgets the buffers", () => {
  const { input, device, driver } = newConsole(RECEIVE_QUEUE)
  driver.offer(0, [{ address: 0n, bytes: 4, writable: true }])
  driver.offer(1, [{ address: BUFFERS, bytes: 4, writable: true }])
  input.push(8)
  driver.notify()
  expect([driver.used(0), driver.used(1), input]).toEqual([{ head: 0, written: 0 }, { head: 1, written: 1 }, []])
  driver.store(Register.status, 0)
  input.push(9)
  device.serve(RECEIVE_QUEUE)
  expect([input, driver.usedIndex()]).toEqual([[9], 2])
})
