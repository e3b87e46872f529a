/**
 * virtio-console with one port: bytes out of the guest in large pieces, bytes in as buffers are there. The essay is README.md of this folder.
 *
 * Not here: where the bytes go and come from.
 */
import { cut, gather, scatter, total, type GuestMemory } from "../virtio-mmio/guest-memory.ts"
import type { Chain } from "../virtio-mmio/split-queue.ts"
import type { GiveBack, VirtioFunction } from "../virtio-mmio/virtio-mmio.ts"

const DEVICE_CONSOLE = 3
/** Virtio 1.2, section 5.3.2: of port 0. */
export const RECEIVE_QUEUE = 0
export const TRANSMIT_QUEUE = 1
/** Columns, rows, number of ports, emergency write: each counts only with a feature that is not offered. */
const CONFIGURATION_BYTES = 12
/** One buffer moves at most this much. What a driver sends beyond it is dropped: it learns how much the console took by nothing. */
export const BUFFER_BYTES_MAX = 1 << 16

export interface ConsoleEnds {
  readonly memory: GuestMemory
  readonly output: (byte: number) => void
  /** How many bytes wait to be read by the guest. */
  readonly waiting: () => number
  /** The oldest `bytes` of them. */
  readonly take: (bytes: number) => readonly number[]
}

export class VirtioConsole implements VirtioFunction {
  readonly device = DEVICE_CONSOLE
  readonly queues = 2
  readonly features = 0n
  readonly configuration = new Uint8Array(CONFIGURATION_BYTES)
  readonly #ends: ConsoleEnds

  constructor(ends: ConsoleEnds) {
    this.#ends = ends
  }

  reset(): void {}

  /** Buffers for input stay in the queue until there is input. So nothing is under way here between two calls. */
  holds(queue: number): boolean {
    return queue === RECEIVE_QUEUE && this.#ends.waiting() === 0
  }

  take(chain: Chain, giveBack: GiveBack, queue: number): void {
    if (queue === TRANSMIT_QUEUE) this.#transmit(chain)
    const written = queue === RECEIVE_QUEUE ? this.#receive(chain) : 0
    giveBack({ head: chain.head, written })
  }

  #transmit(chain: Chain): void {
    const bytes = gather(this.#ends.memory, cut(chain.readable, { skip: 0, bytes: BUFFER_BYTES_MAX }))
    for (const byte of bytes ?? []) this.#ends.output(byte)
  }

  #receive(chain: Chain): number {
    const bytes = Math.min(total(chain.writable), this.#ends.waiting(), BUFFER_BYTES_MAX)
    const spans = cut(chain.writable, { skip: 0, bytes })
    // A buffer outside memory gets nothing, and the input stays for the next.
    if (gather(this.#ends.memory, spans) === null) return 0
    return scatter(this.#ends.memory, spans, Uint8Array.from(this.#ends.take(bytes))) ? bytes : 0
  }
}
