/** Each law of the VMM, and a VMM that breaks it: a check that never failed is not trusted. */
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { Board } from "@backplane/trap-board/board"
import { Console } from "@backplane/trap-board/console"
import { MachineClock } from "@backplane/trap-board/machine-clock"
import { Slot } from "@backplane/trap-csr/csr-file"
import { CLINT, FINISHER, PLIC, UART, virtioPlace, VIRTIO_SLOTS } from "@backplane/trap-devices/address-map/virt-map"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readImage } from "@backplane/compute-image/image"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { architectureOfBoard, architectureOfVm } from "./architecture-state.ts"
import { exitHandler } from "./handle-exit.ts"
import { retry } from "./entry.ts"
import { MachineFrames } from "./machine-frames.ts"
import { MachineSwitch } from "./machine-switch.ts"
import { PhysicalMap } from "./physical-map.ts"
import { Vcpu } from "./vcpu.ts"
import { VmDevices } from "./vm-devices.ts"
import { machineBytesFor, Vmm } from "./vmm.ts"
import type { BootImage } from "@backplane/trap-board/board-types"
import type { Planted, Vm } from "./vm.ts"
import type { VmParts } from "./vm-parts.ts"

const MEMORY_BYTES = 16 << 20
const INSTRUCTIONS_MAX = 5_000_000

function imageOf(name: string): BootImage {
  const guest = readManifest().guests.find((entry) => entry.name === name)!
  const memory = { base: 0x8000_0000n, bytes: BigInt(MEMORY_BYTES) }
  const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: [] })
  if (image.kind === "rejection") throw new Error(image.reason)
  return image
}

/** Does the guest end as on its own machine? With a neighbour on the same CPU, in turns of `slice`. */
function endsAsAlone(name: string, { planted = {}, sabotage = () => undefined, slice = 1000 }: Sabotage = {}): boolean {
  const image = imageOf(name)
  const board = new Board(new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus: 1 }), image)
  board.run(INSTRUCTIONS_MAX)
  const options = { image, vcpus: 1, memoryBytes: MEMORY_BYTES, mode: "trap" } as const
  const vmm = new Vmm(new WasmEngine({ memoryBytes: 2 * machineBytesFor(options), cpus: 1 }))
  const vm = vmm.create(options, planted)!
  const neighbour = vmm.create({ ...options, image: imageOf("timer") }, planted)!
  sabotage({ vmm, vm, neighbour })
  for (let turn = 0; turn < 5000 && vmm.runNext(slice) !== null; turn += 1);
  return architectureOfVm(vm, vmm.machineSwitch) === architectureOfBoard(board)
}

interface Sabotage {
  readonly planted?: Planted
  readonly sabotage?: (world: { readonly vmm: Vmm; readonly vm: Vm; readonly neighbour: Vm }) => void
  readonly slice?: number
}

describe("a guest ends as alone", () => {
  it("under the VMM as it is", () => {
    expect(["paging", "traps", "timer"].map((name) => endsAsAlone(name))).toEqual([true, true, true])
  })

  it("not if shadow entries outlive sfence.vma", () => {
    expect(endsAsAlone("paging", { sabotage: ({ vm }) => (vm.vcpus[0]!.mmu.fence = () => undefined) })).toBe(false)
  })

  it("not if stores to its tables are not noticed", () => {
    const handler: Planted["handler"] = (parts) => (vcpu, exit, view) =>
      exit.kind === "watch" ? retry("watch") : exitHandler(parts)(vcpu, exit, view)
    expect(endsAsAlone("paging", { planted: { handler } })).toBe(false)
  })

  it("not if a trap is injected with the wrong value", () => {
    const handler: Planted["handler"] = (parts) => (vcpu, exit, view) => {
      const answer = exitHandler(parts)(vcpu, exit, view)
      if (exit.kind === "exception" && answer.step.kind === "trap") vcpu.file.set(Slot.mtval, exit.pc)
      return answer
    }
    expect(endsAsAlone("paging", { planted: { handler } })).toBe(false)
  })

  it("not if an interrupt that is awaited is lost at a machine switch", () => {
    const sabotage: Sabotage["sabotage"] = ({ vmm, vm }) => {
      const leave = vmm.machineSwitch.leave.bind(vmm.machineSwitch)
      vmm.machineSwitch.leave = (vcpu) => {
        leave(vcpu)
        if (vcpu.vm === vm.number) vcpu.file.set(Slot.mipSoftware, 0n)
        if (vcpu.vm === vm.number) vcpu.file.set(Slot.stimecmp, 2n ** 64n - 1n)
      }
    }
    expect(endsAsAlone("timer", { sabotage })).toBe(false)
  })

  it("not if a register is forgotten at a machine switch", () => {
    const sabotage: Sabotage["sabotage"] = ({ vmm }) => {
      const leave = vmm.machineSwitch.leave.bind(vmm.machineSwitch)
      vmm.machineSwitch.leave = (vcpu) => {
        leave(vcpu)
        vcpu.saved = { ...vcpu.saved, registers: vcpu.saved.registers.with(8, 0n) }
      }
    }
    expect(endsAsAlone("timer", { sabotage, slice: 100 })).toBe(false)
  })

  it("not if two VMs share a clock", () => {
    expect(endsAsAlone("timer", { planted: { clock: new MachineClock(1) } })).toBe(false)
  })
})

describe("a paused VM", () => {
  const staysPaused = (plant: (vm: Vm) => void): boolean => {
    const options = { image: imageOf("spin"), vcpus: 1, memoryBytes: MEMORY_BYTES, mode: "trap" } as const
    const vmm = new Vmm(new WasmEngine({ memoryBytes: machineBytesFor(options), cpus: 1 }))
    const vm = vmm.create(options)!
    plant(vm)
    vm.run(1000)
    vm.pause()
    for (let turn = 0; turn < 10; turn += 1) vmm.runNext(100)
    vm.run(100)
    return vm.instructions() === 1000
  }

  it("does not run, and one that does is noticed", () => {
    expect(staysPaused(() => undefined)).toBe(true)
    expect(staysPaused((vm) => (vm.pause = () => undefined))).toBe(false)
  })
})

function devicesOf(harts: number): { readonly devices: VmDevices; readonly console: Console } {
  const engine = new WasmEngine({ memoryBytes: MEMORY_BYTES, cpus: 1 })
  const memory = new PhysicalMap({ engine, frames: new MachineFrames(engine), owner: 1, bytes: 1 << 20 })
  const vcpus = Array.from({ length: harts }, (_, index) => new Vcpu({ vm: 1, index }))
  const console = new Console()
  const image: BootImage = { entry: 0x8000_0000n, start: "machine", segments: [], symbols: new Map() }
  const options = { image, disks: [new MemoryDisk(new Uint8Array(4096))] }
  const devices = new VmDevices({ engine, machineSwitch: new MachineSwitch(engine), memory, vcpus, console, clock: () => 0n, options })
  return { devices, console }
}

describe("an interrupt of a device", () => {
  /** One byte arrives; both harts' claims, one after the other. */
  function claims(plant: (parts: VmParts) => VmParts): readonly bigint[] {
    const { devices, console } = devicesOf(2)
    const parts = plant(devices)
    devices.storeDevice(PLIC.base + 40n, 4, 1n)
    for (const hart of [0n, 1n]) devices.storeDevice(PLIC.base + 0x2080n + 0x100n * hart, 4, 1n << 10n)
    devices.storeDevice(UART.base + 1n, 1, 1n)
    console.feed(Uint8Array.of(65))
    devices.deliverInput()
    return [0n, 1n].map((hart) => {
      const answer = parts.loadDevice(PLIC.base + 0x20_1004n + 0x2000n * hart, 4)
      return answer.kind === "value" ? answer.value : -1n
    })
  }

  it("is claimed once, and a claim that is not atomic is noticed", () => {
    expect(claims((parts) => parts)).toEqual([10n, 0n])
    const twice = claims((parts) => {
      let last = 0n
      const loadDevice: VmParts["loadDevice"] = (address, width) => {
        const answer = parts.loadDevice(address, width)
        // The request is looked at, but taken away too late.
        if (answer.kind === "value" && answer.value !== 0n) last = answer.value
        return { kind: "value", value: last }
      }
      return {
        tables: parts.tables,
        memory: parts.memory,
        para: null,
        sbi: null,
        loadDevice,
        storeDevice: () => ({ kind: "done" }),
        lookAtHost: () => null,
      }
    })
    expect(twice).not.toEqual([10n, 0n])
  })
})

describe("devices", () => {
  it("answer every offset and width, with a value that fits it", { timeout: 30_000 }, () => {
    const { devices } = devicesOf(3)
    const windows = [FINISHER, CLINT, UART, ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioPlace(slot))]
    const all = [...windows.map((place) => ({ ...place, stride: 1 })), { ...PLIC, bytes: 0x4000, stride: 1 }, { ...PLIC, stride: 1021 }]
    let answers = 0
    for (const { base, bytes, stride } of all) {
      for (let offset = 0; offset < bytes; offset += stride) {
        for (const width of [1, 2, 4, 8] as const) {
          const address = base + BigInt(offset)
          const stored = devices.storeDevice(address, width, 0xa5a5_5a5a_ffff_0001n & ((1n << BigInt(8 * width)) - 1n))
          const loaded = devices.loadDevice(address, width)
          if (loaded.kind === "value" && loaded.value >> BigInt(8 * width) !== 0n)
            throw new Error(`0x${address.toString(16)} gives too much`)
          if ((stored.kind === "absent") !== (loaded.kind === "absent")) throw new Error(`0x${address.toString(16)} answers one way only`)
          answers += 1
        }
      }
    }
    expect(answers).toBeGreaterThan(400_000)
  })
})
