/** What a description asks of a VM's devices beside its disk: virtio-console, virtio-rng, the way of interrupts. */
import { nodeOfVcpu } from "@backplane/scenario-machine/vm-span"
import { UART_INTERRUPT, virtioInterrupt, VIRTIO_SLOTS } from "@backplane/trap-devices/address-map/virt-map"
import { Random } from "@backplane/foundation-base/random"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { BoardOptions } from "@backplane/trap-board/board-types"

/** What a VM's virtio-rng gives: the same seed gives the same bytes, and `drawn` says how far it is. */
export class SeededEntropy {
  readonly #random: Random
  #drawn = 0

  constructor(seed: string, drawn = 0) {
    this.#random = new Random(seed)
    this.draw(drawn)
  }

  get drawn(): number {
    return this.#drawn
  }

  draw(bytes: number): Uint8Array {
    this.#drawn += bytes
    return Uint8Array.from({ length: bytes }, () => this.#random.uint32() >>> 24)
  }
}

/** `drawn`: bytes that were given on another node. Null: the VM has no virtio-rng. */
export function entropyOf({ virtioRng }: VmSpec, drawn = 0): SeededEntropy | null {
  return virtioRng === undefined ? null : new SeededEntropy(virtioRng, drawn)
}

export function devicesOf(vm: VmSpec, entropy = entropyOf(vm)): Pick<BoardOptions, "virtio" | "interruptAffinity"> {
  const { virtioConsole, irqAffinity } = vm
  const virtio = {
    ...(virtioConsole === true && { console: true }),
    ...(entropy !== null && { entropy: (bytes: number) => entropy.draw(bytes) }),
  }
  if (vm.span !== undefined) return { virtio, interruptAffinity: homeAffinity(vm) }
  const affinity = new Map(irqAffinity?.map(({ source, vcpus }) => [source, vcpus.reduce((mask, vcpu) => mask | (1 << vcpu), 0)]))
  return { virtio, ...(affinity.size > 0 && { interruptAffinity: affinity }) }
}

/** Of a VM over several nodes: interrupts go to the vCPUs of its home, since one elsewhere would have to bring the pages of its driver there first. */
function homeAffinity(vm: Pick<VmSpec, "span" | "cpus">): ReadonlyMap<number, number> {
  const home = vm.span?.[0] ?? 0
  const mask = Array.from({ length: vm.cpus }, (_, vcpu) => (nodeOfVcpu(vm, vcpu, home) === home ? 1 << vcpu : 0)).reduce(
    (all, bit) => all | bit,
  )
  return new Map(
    [UART_INTERRUPT, ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioInterrupt(slot))].map((source) => [source, mask]),
  )
}
