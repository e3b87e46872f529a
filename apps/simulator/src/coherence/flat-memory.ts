/**
 * The oracle: one flat memory that every access of every hart is compared with, in the order in which they happen.
 *
 * All nodes of a simulation run one after the other, so there is such an order, and a coherent memory cannot be told from this one.
 */
import { operateOn } from "@backplane/memory-agent/operation"
import type { PageOperation } from "@backplane/memory-contract/coherence-messages"

const PAGE_BYTES = 4096

/** The memory that the machine shares is not one memory. */
export class IncoherenceError extends Error {
  override readonly name = "IncoherenceError"
}

export class FlatMemory {
  readonly bytes: Uint8Array
  /** By granule of 8 bytes: how often it was written, for reservations. */
  readonly #writes: Uint32Array
  /** By node and page: what the operation found that was done for it elsewhere. A node has one under way for each page. */
  readonly #found = new Map<string, bigint>()
  /** Accesses compared. */
  compared = 0

  constructor(image: Uint8Array) {
    this.bytes = image.slice()
    this.#writes = new Uint32Array(image.length / 8)
  }

  read(at: number, width: number): bigint {
    let value = 0n
    for (let index = width - 1; index >= 0; index--) value = (value << 8n) | BigInt(this.bytes[at + index] ?? 0)
    return value
  }

  write(at: number, width: number, value: bigint): void {
    let rest = value
    for (let index = 0; index < width; index++, rest >>= 8n) this.bytes[at + index] = Number(rest & 0xffn)
    for (let granule = at >> 3; granule <= (at + width - 1) >> 3; granule++) this.#writes[granule] = (this.#writes[granule] ?? 0) + 1
  }

  writesAt(at: number): number {
    return this.#writes[at >> 3] ?? 0
  }

  compare(what: string, actual: bigint, expected: bigint): void {
    this.compared += 1
    if (actual !== expected)
      throw new IncoherenceError(`${what}: 0x${actual.toString(16)}, in one flat memory it is 0x${expected.toString(16)}`)
  }

  /** Does an AMO; what was there. */
  amo(at: number, operation: Omit<PageOperation, "offset">): bigint {
    const page = at - (at % PAGE_BYTES)
    const found = operateOn(this.bytes.subarray(page, page + PAGE_BYTES), { ...operation, offset: at % PAGE_BYTES })
    this.#writes[at >> 3] = (this.#writes[at >> 3] ?? 0) + 1
    return found
  }

  operatedElsewhere(node: number, at: number, operation: PageOperation, actual: bigint): void {
    const expected = this.amo(at, operation)
    this.compare(`AMO at home, address ${at}`, actual, expected)
    this.#found.set(keyOf(node, at), expected)
  }

  resultOf(node: number, at: number): bigint {
    return this.#found.get(keyOf(node, at)) ?? 0n
  }
}

function keyOf(node: number, at: number): string {
  return `${node}/${Math.floor(at / PAGE_BYTES)}`
}
