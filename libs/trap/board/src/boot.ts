/** The state in which a guest finds the machine: image in memory, device tree below the end of RAM, harts at the entry. */
import { assert } from "@backplane/foundation-base/assert"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { Slot } from "@backplane/trap-csr/csr-file"
import { STCE } from "@backplane/trap-csr/interrupts"
import { openPmp } from "@backplane/trap-csr/pmp"
import { TLB_CAUSES } from "@backplane/trap-csr/tlb-translation"
import { virtDeviceTree } from "@backplane/trap-devices/device-tree/virt-tree"
import type { Engine } from "@backplane/compute-contract/engine"
import type { BoardOptions, BootImage } from "./board-types.ts"
import type { CsrFile } from "@backplane/trap-csr/csr-file"
import type { HartState } from "@backplane/trap-sbi/sbi-numbers"

const PAGE = 4096n
/** All that S-mode can handle: everything but its own environment calls and those from M. */
const DELEGATED_EXCEPTIONS = 0xb1ffn
const DELEGATED_INTERRUPTS = 0x222n
/** Cycle, time and instret may be read below. */
const COUNTERS = 7n

/** What the device tree tells. */
export interface BootMachine extends Pick<BoardOptions, "bootArguments" | "initialRamDisk"> {
  readonly memoryBytes: number
  readonly cpus: number
  /** What it runs under, if the guest may know: the `compatible` of a node /hypervisor. */
  readonly hypervisor?: string
}

/** What lies at the end of RAM, from its end down: the device tree, and below it the RAM disk. */
export interface EndOfMemory {
  readonly tree: Uint8Array
  readonly treeAddress: bigint
  readonly ramDisk: { readonly from: bigint; readonly data: Uint8Array } | null
}

/** Each on pages of its own. `undefined` when the image reaches into them. */
export function placeEndOfMemory(image: BootImage, machine: BootMachine): EndOfMemory | undefined {
  const { cpus, memoryBytes, bootArguments, initialRamDisk, hypervisor } = machine
  const end = RAM_BASE + BigInt(memoryBytes)
  const below = (at: bigint, bytes: number): bigint => (at - BigInt(bytes)) & ~(PAGE - 1n)
  // The tree names the disk's place and the place depends on the size of the tree; all places have the same size in it.
  const place = (ramDiskFrom: bigint): Uint8Array =>
    virtDeviceTree({
      harts: cpus,
      memoryBytes: BigInt(memoryBytes),
      ...(bootArguments !== undefined && { bootArguments }),
      ...(hypervisor !== undefined && { hypervisor }),
      ...(initialRamDisk && { initialRamDisk: { from: ramDiskFrom, to: ramDiskFrom + BigInt(initialRamDisk.length) } }),
    })
  const treeAddress = below(end, place(0n).length)
  const lowest = initialRamDisk === undefined ? treeAddress : below(treeAddress, initialRamDisk.length)
  const fits = lowest >= RAM_BASE && image.segments.every((segment) => segment.address + segment.memoryBytes <= lowest)
  if (!fits) return undefined
  return { tree: place(lowest), treeAddress, ramDisk: initialRamDisk === undefined ? null : { from: lowest, data: initialRamDisk } }
}

/** Do image, RAM disk and device tree fit? Asked by the edge before a board is made, so that a person gets a message. */
export function leavesRoomForDeviceTree(image: BootImage, machine: BootMachine): boolean {
  return placeEndOfMemory(image, machine) !== undefined
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
  { harts, ...options }: Omit<BootMachine, "cpus"> & { readonly harts: readonly BootHart[] },
): void {
  for (const { address, data } of image.segments) engine.writeMemory(address, data) // RAM begins as zeros: nothing to clear
  const end = placeEndOfMemory(image, { ...options, cpus: harts.length })
  assert(end !== undefined, "the image leaves room for the device tree and the RAM disk")
  engine.writeMemory(end.treeAddress, end.tree)
  if (end.ramDisk !== null) engine.writeMemory(end.ramDisk.from, end.ramDisk.data)
  for (const hart of harts) {
    if (image.start === "supervisor") prepareSupervisor(hart)
    if (image.start === "supervisor" && hart.index !== 0) continue
    engine.writePc(hart.index, image.entry)
    engine.writeRegister(hart.index, 10, BigInt(hart.index))
    engine.writeRegister(hart.index, 11, end.treeAddress)
    hart.refreshTranslation()
  }
}

/** What firmware would have done: delegate, open memory and counters, give S-mode its timer. Hart 0 runs, the others wait to be started. */
function prepareSupervisor(hart: BootHart): void {
  const { file } = hart
  file.set(Slot.medeleg, file.tlb === null ? DELEGATED_EXCEPTIONS : DELEGATED_EXCEPTIONS | TLB_CAUSES)
  file.set(Slot.mideleg, DELEGATED_INTERRUPTS)
  file.set(Slot.mcounteren, COUNTERS)
  file.set(Slot.menvcfg, STCE)
  file.set(Slot.privilege, 1n)
  openPmp(file)
  hart.refreshProtection()
  hart.refreshTranslation()
  hart.state = hart.index === 0 ? "started" : "stopped"
}
