/** What flags say of a guest's machine beside CPUs and memory: disks, consoles, chance, the way of interrupts, what the kernel is told. */
import { randomBytes } from "node:crypto"
import { Random } from "@backplane/foundation-base/random"
import { VOLUME_PREFIX } from "@backplane/scenario-machine/vm-spec"
import { MemoryDisk } from "@backplane/trap-devices/virtio-block/disk"
import { PLIC_SOURCES } from "@backplane/trap-devices/plic/plic"
import { readFile } from "./guest-file.ts"
import { refuse, type BootFlags } from "./boot-flags.ts"
import type { BoardOptions } from "@backplane/trap-board/board-types"

export interface BootDevices {
  readonly options: BoardOptions
  readonly disk: MemoryDisk | null
}

export function devicesOf(flags: BootFlags): BootDevices {
  if (flags.disk?.startsWith(VOLUME_PREFIX) === true)
    throw refuse("--disk", `${flags.disk} is in a store, and there is none in this process`, "give --live or --sim, too, or a file")
  const disk = flags.disk === undefined ? null : new MemoryDisk(readFile(flags.disk, "--disk"))
  if (disk?.sectors === 0) throw refuse("--disk", `${flags.disk} is empty`, "give an image of at least one sector")
  const initialRamDisk = flags.initrd === undefined ? undefined : readFile(flags.initrd, "--initrd")
  if (initialRamDisk?.length === 0) throw refuse("--initrd", `${flags.initrd} is empty`, "give a cpio archive, or leave it out")
  const virtio = {
    ...(flags.virtioConsole === true && { console: true }),
    ...(flags.virtioRng !== undefined && { entropy: entropyOf(flags.virtioRng) }),
  }
  const options: BoardOptions = {
    virtio,
    ...(disk !== null && { disks: [disk] }),
    ...(flags.append !== undefined && { bootArguments: flags.append }),
    ...(initialRamDisk !== undefined && { initialRamDisk }),
    ...(flags.irqAffinity !== undefined && { interruptAffinity: affinityOf(flags.irqAffinity, flags.cpus) }),
  }
  return { options, disk }
}

function entropyOf(seed: string): (bytes: number) => Uint8Array {
  if (seed === "random") return (bytes) => randomBytes(bytes)
  const random = new Random(seed)
  return (bytes) => Uint8Array.from({ length: bytes }, () => random.uint32() >>> 24)
}

/** `10:0,1:1+2`: source 10 to hart 0, source 1 to harts 1 and 2. */
export function affinityOf(text: string, cpus: number): ReadonlyMap<number, number> {
  const affinity = new Map<number, number>()
  for (const part of text.split(",")) {
    const [, source, harts] = /^(\d+):(\d+(?:\+\d+)*)$/.exec(part) ?? []
    if (source === undefined || harts === undefined)
      throw refuse("--irq-affinity", `${JSON.stringify(part)} is not source:hart+hart`, "give a list such as 10:0,1:1+2")
    if (Number(source) < 1 || Number(source) >= PLIC_SOURCES)
      throw refuse("--irq-affinity", `there is no interrupt ${source}`, `give 1 to ${PLIC_SOURCES - 1}: 10 is the UART, 1 to 8 are virtio`)
    for (const hart of harts.split("+").map(Number)) {
      if (hart >= cpus) throw refuse("--irq-affinity", `there is no hart ${hart}`, `give 0 to ${cpus - 1}, or more --cpus`)
      affinity.set(Number(source), (affinity.get(Number(source)) ?? 0) | (1 << hart))
    }
  }
  return affinity
}
