/**
 * Test finisher (`sifive,test0`): a guest ends the machine with a word. The essay is README.md of this folder.
 */
import type { Device, Width } from "../device.ts"

const FAIL = 0x3333
const PASS = 0x5555
const RESET = 0x7777

export type Finish = { readonly kind: "pass" } | { readonly kind: "fail"; readonly code: number } | { readonly kind: "reset" }

export class Finisher implements Device {
  /** The first word that meant something; nothing after it counts. */
  #finish: Finish | null = null

  finish(): Finish | null {
    return this.#finish
  }

  load(_offset: number, _width: Width): bigint {
    return 0n
  }

  store(offset: number, width: Width, value: bigint): void {
    // One byte can not name any of the commands.
    if (offset !== 0 || width === 1 || this.#finish !== null) return
    this.#finish = meaning(Number(value & 0xffff_ffffn))
  }
}

function meaning(word: number): Finish | null {
  switch (word & 0xffff) {
    case PASS:
      return { kind: "pass" }
    case FAIL:
      return { kind: "fail", code: word >>> 16 }
    case RESET:
      return { kind: "reset" }
    default:
      return null
  }
}
