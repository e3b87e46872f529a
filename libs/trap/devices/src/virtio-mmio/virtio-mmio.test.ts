import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Width } from "../device.ts"
import { BUFFERS, FakeDriver, FakeMemory } from "../suite/fake-driver.ts"
import { VirtioEntropy } from "../virtio-entropy/virtio-entropy.ts"
import { VirtioMmio, type GiveBack, type VirtioFunction } from "./virtio-mmio.ts"
import { EMPTY_SLOT } from "./empty-slot.ts"
import { Register, Status } from "./virtio-registers.ts"

/** Gives nothing back by itself. */
class Slow implements VirtioFunction {
  readonly device = 2
  readonly queues = 1
  readonly features = 1n << 9n
  readonly configuration = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  readonly taken: { head: number; giveBack: GiveBack }[] = []
  resets = 0

  take({ head }: { readonly head: number }, giveBack: GiveBack): void {
    this.taken.push({ head, giveBack })
  }

  reset(): void {
    this.resets += 1
  }
}

function newSlow() {
  const memory = new FakeMemory()
  const drives: boolean[] = []
  const behind = new Slow()
  const device = new VirtioMmio({ interrupt: (level) => drives.push(level), memory }, behind)
  return { memory, drives, behind, device, driver: new FakeDriver(device, memory) }
}

const ONE = [{ address: BUFFERS, bytes: 16, writable: true }]

describe("virtio-mmio", () => {
  it("shows what xv6 checks: magic, version 2, device, vendor", () => {
    const { driver } = newSlow()
    expect([0, 4, 8, 12].map((register) => driver.load(register))).toEqual([0x74726976, 2, 2, 0x554d4551])
  })

  it("an empty slot has device number 0 and no queues", () => {
    const words = [0, 4, 8, 12, Register.queueSizeMax, Register.deviceFeatures].map((offset) => EMPTY_SLOT.load(offset, 4))
    expect(words).toEqual([0x74726976n, 2n, 0n, 0x554d4551n, 0n, 0n])
  })

  it("offers features in two words, grants FEATURES_OK, and takes a queue that is ready only once it has a size", () => {
    const { driver } = newSlow()
    expect(driver.load(Register.deviceFeatures)).toBe(1 << 9)
    driver.store(Register.deviceFeaturesSelect, 1)
    expect(driver.load(Register.deviceFeatures)).toBe(1)
    driver.store(Register.queueReady, 1)
    expect(driver.load(Register.queueReady)).toBe(0)
    driver.start()
    expect([driver.load(Register.queueReady), driver.load(Register.status)]).toEqual([1, 15])
  })

  it("gives chains back in the order in which they are done, and holds the wire until the interrupt is acknowledged", () => {
    const { driver, behind, drives } = newSlow()
    driver.start()
    driver.offer(0, ONE)
    driver.offer(1, ONE)
    driver.notify()
    expect(behind.taken.map(({ head }) => head)).toEqual([0, 1])
    drives.length = 0
    behind.taken[1]!.giveBack({ head: 1, written: 3 })
    behind.taken[0]!.giveBack({ head: 0, written: 4 })
    expect([driver.usedIndex(), driver.used(0), driver.used(1)]).toEqual([2, { head: 1, written: 3 }, { head: 0, written: 4 }])
    expect([drives, driver.load(Register.interruptStatus)]).toEqual([[true, true], 1])
    driver.store(Register.interruptAcknowledge, 1)
    expect([drives.at(-1), driver.load(Register.interruptStatus)]).toEqual([false, 0])
  })

  it("an answer to a chain of before a reset is dropped", () => {
    const { driver, behind } = newSlow()
    driver.start()
    driver.offer(0, ONE)
    driver.notify()
    driver.start()
    behind.taken[0]!.giveBack({ head: 0, written: 4 })
    expect([driver.usedIndex(), driver.load(Register.interruptStatus)]).toEqual([0, 0])
  })

  it("goes round the rings and past 65536 requests", () => {
    const { driver, device, memory } = newSlow()
    const entropy = new VirtioMmio({ interrupt: () => {}, memory }, new VirtioEntropy(memory, (bytes) => new Uint8Array(bytes).fill(7)))
    expect(device.load(8, 4)).toBe(2n)
    const other = new FakeDriver(entropy, memory)
    other.start()
    for (let request = 0; request < 66_000; request += 1) {
      other.offer(0, ONE)
      other.notify()
    }
    expect([other.usedIndex(), other.used(65_999), driver.load(Register.status)]).toEqual([66_000 & 0xffff, { head: 0, written: 16 }, 0])
  })

  it("rings that lie break the device until it is reset, and nothing else", () => {
    const lies: readonly ((driver: FakeDriver) => void)[] = [
      (driver) => driver.setAvailableIndex(9),
      (driver) => driver.makeAvailable(8),
      (driver) => driver.offer(0, [...ONE, { address: BUFFERS, bytes: 1, writable: false }]),
      (driver) => {
        driver.describe(0, { address: BUFFERS, bytes: 1, flags: 1, next: 0 })
        driver.makeAvailable(0)
      },
    ]
    for (const lie of lies) {
      const { driver, behind } = newSlow()
      driver.start()
      lie(driver)
      driver.notify()
      expect([driver.load(Register.status) & Status.needsReset, behind.taken.length]).toEqual([Status.needsReset, 0])
      driver.store(Register.status, 0)
      expect(driver.load(Register.status)).toBe(0)
    }
  })

  it("the configuration may be read with any width", () => {
    const { device } = newSlow()
    expect([device.load(0x100, 8), device.load(0x102, 2), device.load(0x107, 1), device.load(0x107, 2)]).toEqual([
      0x0807060504030201n,
      0x0403n,
      8n,
      8n,
    ])
  })

  it("any access anywhere and any memory contents have an answer", () => {
    const access = fc.tuple(
      fc.oneof(
        fc.nat(0x120),
        fc.nat(0x48).map((word) => 4 * word),
      ),
      fc.constantFrom<Width>(1, 2, 4, 8),
      fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 16n })),
      fc.boolean(),
    )
    fc.assert(
      fc.property(fc.array(access, { maxLength: 60 }), fc.uint8Array({ maxLength: 4096 }), (accesses, noise) => {
        const { driver, device, memory, behind } = newSlow()
        driver.start()
        memory.bytes.set(noise, 0)
        memory.bytes.set(noise, 0x1000)
        driver.notify()
        for (const [offset, width, value, stores] of accesses) {
          if (stores) device.store(offset, width, value)
          else expect(device.load(offset, width) >> BigInt(width * 8)).toBe(0n)
        }
        for (const { head, giveBack } of behind.taken) giveBack({ head, written: 1 })
      }),
    )
  })
})
