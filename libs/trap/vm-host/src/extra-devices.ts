/** What a description asks of a VM's devices beside its disk: virtio-console, virtio-rng, the way of interrupts. */
import { Random } from "@backplane/foundation-base/random"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { BoardOptions } from "@backplane/trap-board/board-types"

export function devicesOf({ virtioConsole, virtioRng, irqAffinity }: VmSpec): Pick<BoardOptions, "virtio" | "interruptAffinity"> {
  const virtio = {
    ...(virtioConsole === true && { console: true }),
    ...(virtioRng !== undefined && { entropy: seededEntropy(virtioRng) }),
  }
  const affinity = new Map(irqAffinity?.map(({ source, vcpus }) => [source, vcpus.reduce((mask, vcpu) => mask | (1 << vcpu), 0)]))
  return { virtio, ...(affinity.size > 0 && { interruptAffinity: affinity }) }
}

/** The same seed gives the same bytes. */
export function seededEntropy(seed: string): (bytes: number) => Uint8Array {
  const random = new Random(seed)
  return (bytes) => Uint8Array.from({ length: bytes }, () => random.uint32() >>> 24)
}
