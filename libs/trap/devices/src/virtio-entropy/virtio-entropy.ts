/**
 * virtio-rng: fills what the driver gives with bytes from a source. The essay is README.md of this folder.
 */
import { cut, scatter, total, type GuestMemory } from "../virtio-mmio/guest-memory.ts"
import type { Chain } from "../virtio-mmio/split-queue.ts"
import type { GiveBack, VirtioFunction } from "../virtio-mmio/virtio-mmio.ts"

const DEVICE_ENTROPY = 4
/** One request gets at most this much; the driver asks again. */
export const ENTROPY_BYTES_MAX = 4096

export class VirtioEntropy implements VirtioFunction {
  readonly device = DEVICE_ENTROPY
  readonly queues = 1
  readonly features = 0n
  readonly configuration = new Uint8Array(0)
  readonly #memory: GuestMemory
  readonly #source: (bytes: number) => Uint8Array

  /** `source` gives exactly as many bytes as it is asked for; seeded in simulation. */
  constructor(memory: GuestMemory, source: (bytes: number) => Uint8Array) {
    this.#memory = memory
    this.#source = source
  }

  reset(): void {}

  take(chain: Chain, giveBack: GiveBack): void {
    const bytes = Math.min(total(chain.writable), ENTROPY_BYTES_MAX)
    const placed = scatter(this.#memory, cut(chain.writable, { skip: 0, bytes }), this.#source(bytes))
    giveBack({ head: chain.head, written: placed ? bytes : 0 })
  }
}
