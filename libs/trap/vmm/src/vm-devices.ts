/** The devices of one VM, its firmware and its tables under watch: all that an exit handler asks. Nothing in here is shared between VMs. */
import { FINISHER, UART, virtioPlace, VIRTIO_SLOTS } from "@backplane/trap-devices/address-map/virt-map"
import { HtifService } from "@backplane/trap-board/htif-service"
import { SbiService } from "@backplane/trap-board/sbi-service"
import { Wiring, type DevicesState, type VirtioSlotState } from "@backplane/trap-board/wiring"
import { devicesOf } from "@backplane/trap-board/board-capture"
import { deviceMemory } from "./device-memory.ts"
import { PAGE_SHIFT } from "./machine-frames.ts"
import { TableWatch } from "./table-watch.ts"
import { transportsOf } from "./vm-capture.ts"
import type { BoardEnd, BoardOptions, BootImage } from "@backplane/trap-board/board-types"
import type { Clock, Width } from "@backplane/trap-devices/device"
import type { Console } from "@backplane/trap-board/console"
import type { VmCapture } from "@backplane/trap-contract/vm-capture"
import type { Engine } from "@backplane/compute-contract/engine"
import type { LoadAnswer } from "@backplane/trap-devices/address-map/address-map"
import type { DeviceStoreAnswer, VmParts } from "./vm-parts.ts"
import type { GonePage } from "./guest-mmu.ts"
import type { Hypercalls } from "./hypercalls.ts"
import type { MachineSwitch } from "./machine-switch.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { RegisterWrite } from "./entry.ts"
import type { Vcpu } from "./vcpu.ts"
import type { VmPart } from "./vm-part.ts"

export interface VmDevicesOptions {
  readonly engine: Engine
  readonly machineSwitch: MachineSwitch
  readonly memory: PhysicalMap
  readonly vcpus: readonly Vcpu[]
  readonly console: Console
  readonly clock: Clock
  readonly options: BoardOptions & { readonly image: BootImage }
  readonly para?: Hypercalls
  /** Where the devices of another VM left off. */
  readonly restored?: VmCapture
  /** The VM lies on several nodes: of what is not here, what is known. */
  readonly part?: VmPart
}

export interface DevicesCapture {
  readonly registers: DevicesState
  readonly uartUsed: boolean
  readonly virtio: readonly VirtioSlotState[]
  readonly htifReading: boolean
}

const EVERYTHING = { address: null, addressSpace: null } as const
/** QueueNotify of virtio-mmio. */
const NOTIFY = 0x50n

export class VmDevices implements VmParts {
  readonly tables: TableWatch
  readonly memory: PhysicalMap
  readonly para: Hypercalls | null
  readonly sbi: VmParts["sbi"]
  readonly #wiring: Wiring
  readonly #htif: HtifService | null
  readonly #options: VmDevicesOptions
  /** The page of `tohost`, always under watch. */
  readonly #hostPages = new Set<bigint>()
  /** The guest has touched the UART: only then does input go there. */
  #uartUsed = false

  constructor(options: VmDevicesOptions) {
    this.#options = options
    const { engine, memory, vcpus, console, clock, para = null } = options
    this.memory = memory
    this.para = para
    const { image, disks = [] } = options.options
    const { restored } = options
    const devices = restored === undefined ? {} : { devices: devicesOf(restored.devices) }
    this.#wiring = new Wiring({ ...options.options, ...devices, harts: vcpus.length, clock, console, memory: deviceMemory(memory), disks })
    if (restored !== undefined) this.#wiring.restoreVirtio(transportsOf(restored))
    this.#uartUsed = restored?.devices.uartUsed ?? false
    const tohost = image.symbols.get("tohost")
    if (tohost !== undefined) this.#hostPages.add(tohost >> PAGE_SHIFT)
    for (const page of this.#hostPages) memory.keep(page)
    this.tables = new TableWatch({ engine, memory, vcpus: vcpus.length, kept: this.#hostPages })
    this.#htif = tohost === undefined ? null : this.#makeHtif(tohost, image.symbols.get("fromhost"))
    const { part } = options
    const firmware = (): VmParts["sbi"] => (part === undefined ? this.#makeSbi() : (vcpu) => part.call(vcpu))
    this.sbi = image.start === "supervisor" ? firmware() : null
  }

  /** Registers of all of them; R1 of vm-capture.ts. */
  capture(): DevicesCapture {
    const [registers, virtio] = [this.#wiring.capture(), this.#wiring.captureVirtio()]
    return { registers, virtio, uartUsed: this.#uartUsed, htifReading: this.#htif?.capture().reading ?? false }
  }

  time(): bigint {
    return this.#wiring.clint.time()
  }

  /** `mtimecmp` of a vCPU. */
  timer(vcpu: number): bigint {
    return this.#wiring.clint.deadline(vcpu)
  }

  lines(vcpu: number): bigint {
    return this.#options.part?.away?.lines(vcpu) ?? this.#wiring.lines(vcpu)
  }

  loadDevice(address: bigint, width: Width): LoadAnswer {
    const { away = null } = this.#options.part ?? {}
    if (away !== null) return away.load()
    const answer = this.#wiring.map.load(address, width)
    if (answer.kind === "value") this.#uartUsed ||= isIn(address, UART)
    return answer
  }

  storeDevice(address: bigint, width: Width, value: bigint): DeviceStoreAnswer {
    const { away = null } = this.#options.part ?? {}
    if (away !== null) return away.store()
    if (this.#wiring.map.store(address, width, value).kind === "absent") return { kind: "absent" }
    this.#uartUsed ||= isIn(address, UART)
    const finish = isIn(address, FINISHER) ? this.#wiring.finisher.finish() : null
    if (finish !== null) {
      return { kind: "end", reason: finish.kind === "reset" ? "reset" : "finisher", code: finish.kind === "fail" ? finish.code : 0 }
    }
    return { kind: this.#isDiskNotify(address) ? "disk" : "done" }
  }

  lookAtHost(): BoardEnd | null {
    return this.#htif?.look() ?? null
  }

  /** Console input goes to the UART as it has room, or answers a read of HTIF. */
  deliverInput(): void {
    const { console } = this.#options
    if (console.waitingBytes === 0) return
    this.#htif?.answerRead()
    this.#wiring.deliverInput({ uartUsed: this.#uartUsed })
  }

  /** Pages have left their frames: no translation of any vCPU leads there from now on. */
  pagesGone(gone: readonly GonePage[]): void {
    for (const { mmu } of this.#options.vcpus) mmu.pagesGone(gone)
    this.tables.pagesGone(gone)
  }

  /** The VM is gone: its frames are watched no more. */
  unwatch(): void {
    for (const page of this.#hostPages) this.#watch(page, "unwatched")
  }

  #isDiskNotify(address: bigint): boolean {
    const disks = this.#options.options.disks?.length ?? 0
    const slot = Number((address - virtioPlace(0).base) / BigInt(virtioPlace(0).bytes))
    return slot >= 0 && slot < Math.min(disks, VIRTIO_SLOTS) && address - virtioPlace(slot).base === NOTIFY
  }

  #watch(page: bigint, watched: "watched" | "unwatched"): void {
    const machine = this.#options.memory.machinePage(page)
    if (machine !== null) this.#options.engine.watchPage(machine << PAGE_SHIFT, watched)
  }

  #makeHtif(tohost: bigint, fromhost: bigint | undefined): HtifService {
    const { memory, console } = this.#options
    const machine = {
      readMemory: (address: bigint, bytes: number) => memory.read(address, bytes),
      writeMemory: (address: bigint, data: Uint8Array) => memory.write(address, data),
      watchPage: (address: bigint, watched: "watched" | "unwatched") => this.#watch(address >> PAGE_SHIFT, watched),
    }
    return new HtifService(machine, console, { tohost, fromhost, reading: this.#options.restored?.htifReading ?? false })
  }

  #makeSbi(): VmParts["sbi"] {
    const { memory, vcpus, console, machineSwitch } = this.#options
    let registers: RegisterWrite[] = []
    const of = (index: number): Vcpu | undefined => vcpus[index]
    const machine = {
      options: { memoryBytes: memory.bytes },
      readRegister: (index: number, register: number) => {
        const vcpu = of(index)
        return vcpu === undefined ? 0n : machineSwitch.readRegister(vcpu, register)
      },
      writeRegister: (_index: number, register: number, value: bigint) => void registers.push({ register, value }),
      completeSystem: () => undefined,
      readMemory: (address: bigint, bytes: number) => memory.read(address, bytes),
      writeMemory: (address: bigint, data: Uint8Array) => memory.write(address, data),
      flushTranslations: (index: number) => of(index)?.mmu.fence(EVERYTHING),
    }
    const service = new SbiService(machine, vcpus, console)
    return (vcpu) => {
      registers = []
      const end = service.call(vcpu)
      return { registers, end }
    }
  }
}

function isIn(address: bigint, place: { readonly base: bigint; readonly bytes: number }): boolean {
  return address >= place.base && address < place.base + BigInt(place.bytes)
}
