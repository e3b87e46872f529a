import { describe, expect, it } from "vitest"
import type { Device } from "../device.ts"
import { AddressMap } from "./address-map.ts"
import { CLINT, FINISHER, PLIC, RAM_BASE, UART, virtioPlace, VIRTIO_SLOTS } from "./virt-map.ts"

function recorder() {
  const seen: string[] = []
  const device: Device = {
    load: (offset, width) => {
      seen.push(`load ${offset} ${width}`)
      return 5n
    },
    store: (offset, width, value) => {
      seen.push(`store ${offset} ${width} ${value}`)
    },
  }
  return { device, seen }
}

describe("address map", () => {
  it("a device sees offsets, never addresses", () => {
    const { device, seen } = recorder()
    const map = new AddressMap([{ name: "uart", ...UART, device }])
    expect(map.load(0x1000_0005n, 1)).toEqual({ kind: "value", value: 5n })
    expect(map.store(0x1000_0000n, 4, 7n)).toEqual({ kind: "done" })
    expect(seen).toEqual(["load 5 1", "store 0 4 7"])
  })

  it("between, below and across windows nobody answers and no device is touched", () => {
    const { device, seen } = recorder()
    const map = new AddressMap([{ name: "uart", ...UART, device }])
    for (const address of [0n, 0xfff_ffffn, 0x1000_00fdn, 0x1000_0100n, 0xffff_ffff_ffff_ffffn]) {
      expect(map.load(address, 4)).toEqual({ kind: "absent" })
      expect(map.store(address, 4, 0n)).toEqual({ kind: "absent" })
    }
    expect(seen).toEqual([])
  })

  it("the windows of the board do not overlap each other or RAM", () => {
    const { device } = recorder()
    const virtio = Array.from({ length: VIRTIO_SLOTS }, (_, slot) => ({ name: `virtio${slot}`, ...virtioPlace(slot), device }))
    const all = [FINISHER, CLINT, PLIC, UART].map((place, index) => ({ name: `w${index}`, ...place, device }))
    const map = new AddressMap([...virtio, ...all, { name: "ram", base: RAM_BASE, bytes: 1 << 27, device }])
    expect(map.windows()).toHaveLength(13)
  })
})
