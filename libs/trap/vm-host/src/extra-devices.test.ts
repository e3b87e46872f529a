import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { devicesOf } from "./extra-devices.ts"

const KERNEL = { hash: "0".repeat(64), bytes: 12 }
const described = (more: object) => resolveMachineSpec({ vms: [{ name: "a", kernel: KERNEL, cpus: 3, ...more }] }).vms![0]!

describe("the devices that a description asks for", () => {
  it("are none where it asks for none", () => {
    expect(devicesOf(described({}))).toEqual({ virtio: {} })
  })

  it("are a console, entropy that repeats, and interrupts that go where they shall", () => {
    const irqAffinity = [
      { source: 10, vcpus: [0] },
      { source: 1, vcpus: [1, 2] },
    ]
    const vm = described({ virtioConsole: true, virtioRng: "seed", irqAffinity })
    const [one, other] = [devicesOf(vm), devicesOf(vm)]
    expect(one.virtio?.console).toBe(true)
    expect(one.virtio?.entropy?.(16)).toEqual(other.virtio?.entropy?.(16))
    expect(one.virtio?.entropy?.(16)).not.toEqual(devicesOf(described({ virtioRng: "another" })).virtio?.entropy?.(16))
    expect(one.interruptAffinity).toEqual(
      new Map([
        [10, 0b001],
        [1, 0b110],
      ]),
    )
  })

  it("an interrupt to a vCPU that is not there is refused by field", () => {
    expect(() => described({ irqAffinity: [{ source: 1, vcpus: [3] }] })).toThrow("vms[0].irqAffinity: interrupt 1 cannot go to vCPU 3")
  })
})
