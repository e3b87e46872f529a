/** The state in which a guest finds the machine: image in memory, device tree below the end of RAM, harts at the entry. */
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { Slot } from "@backplane/trap-csr/csr-file"
import { STCE } from "@backplane/trap-csr/interrupts"
import { openPmp } from "@backplane/trap-csr/pmp"
import { virtDeviceTree } from "@backplane/trap-devices/device-tree/virt-tree"
import type { Engine } from "@backplane/compute-contract/engine"
import type { BootImage } from "./board-types.ts"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"

const PAGE = 4096n
/** All that S-mode can handle: everything but its own environment calls and those from M. */
const DELEGATED_EXCEPTIONS = 0xb1ffn
const DELEGATED_INTERRUPTS = 0x222n
/** Cycle, time and instret may be read below. */
const COUNTERS = 7n

/** Where the device tree goes: whole pages at the end of RAM. `undefined` when the image reaches into them. */
export function placeDeviceTree(image: BootImage, memoryBytes: number, treeBytes: number): bigint | undefined {
  const end = RAM_BASE + BigInt(memoryBytes)
  const address = (end - BigInt(treeBytes)) & ~(PAGE - 1n)
  return image.segments.every((segment) => segment.address + segment.memoryBytes <= address) ? address : undefined
}

/** Does image and device tree fit? Asked by the edge before a board is made, so that a person gets a message. */
export function leavesRoomForDeviceTree(image: BootImage, machine: BootMachine): boolean {
  return placeDeviceTree(image, machine.memoryBytes, treeOf(machine).length) !== undefined
}

/** What the device tree tells. */
export interface BootMachine {
  readonly memoryBytes: number
  readonly cpus: number
  readonly bootArguments?: string
}

function treeOf({ cpus, memoryBytes, bootArguments }: BootMachine): Uint8Array {
  return virtDeviceTree({ harts: cpus, memoryBytes: BigInt(memoryBytes), ...(bootArguments === undefined ? {} : { bootArguments }) })
}

/** What boot needs of a hart. */
export interface BootHart {
  readonly index: number
  readonly file: CsrFile
  state: HartState
  refreshProtection(): void
  refreshTranslation(): void
}

/** Registers by hart, memory by physical address, all zero. */
export type BootTarget = Pick<Engine, "writeMemory" | "writePc" | "writeRegister">

export function boot(
  engine: BootTarget,
  image: BootImage,
  { harts, ...options }: { readonly harts: readonly BootHart[]; readonly memoryBytes: number; readonly bootArguments?: string },
): void {
  const { memoryBytes } = options
  for (const { address, data } of image.segments) engine.writeMemory(address, data) // RAM begins as zeros: nothing to clear
  const tree = treeOf({ ...options, cpus: harts.length })
  const treeAddress = placeDeviceTree(image, memoryBytes, tree.length)
  assert(treeAddress !== undefined, "the image leaves room for the device tree")
  engine.writeMemory(treeAddress, tree)
  for (const hart of harts) {
    if (image.start === "supervisor") prepareSupervisor(hart)
    if (image.start === "supervisor" && hart.index !== 0) continue
    engine.writePc(hart.index, image.entry)
    engine.writeRegister(hart.index, 10, BigInt(hart.index))
    engine.writeRegister(hart.index, 11, treeAddress)
    hart.refreshTranslation()
  }
}

/** What firmware would have done: delegate, open memory and counters, give S-mode its timer. Hart 0 runs, the others wait to be started. */
function prepareSupervisor(hart: BootHart): void {
  const { file } = hart
  file.set(Slot.medeleg, DELEGATED_EXCEPTIONS)
  file.set(Slot.mideleg, DELEGATED_INTERRUPTS)
  file.set(Slot.mcounteren, COUNTERS)
  file.set(Slot.menvcfg, STCE)
  file.set(Slot.privilege, 1n)
  openPmp(file)
  hart.refreshProtection()
  hart.refreshTranslation()
  hart.state = hart.index === 0 ? "started" : "stopped"
}
