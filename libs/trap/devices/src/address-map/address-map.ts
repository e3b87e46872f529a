/**
 * Which device answers at a physical address. The essay, with the map of the board, is README.md of this folder.
 */
import { assert } from "@backplane/foundation-base/assert"
import type { Device, Width } from "../device.ts"

export interface Window {
  readonly name: string
  readonly base: bigint
  readonly bytes: number
  readonly device: Device
}

/** `absent`: no device there, or the access leaves its window: an access fault in the guest. */
export type LoadAnswer = { readonly kind: "value"; readonly value: bigint } | { readonly kind: "absent" }
export type StoreAnswer = { readonly kind: "done" } | { readonly kind: "absent" }

const ABSENT = { kind: "absent" } as const
const DONE = { kind: "done" } as const

export class AddressMap {
  /** Sorted by base; windows never overlap. */
  readonly #windows: readonly Window[]

  constructor(windows: readonly Window[]) {
    this.#windows = windows.toSorted((left, right) => (left.base < right.base ? -1 : left.base > right.base ? 1 : 0))
    this.#windows.forEach((window, index) => {
      const next = this.#windows[index + 1]
      assert(next === undefined || window.base + BigInt(window.bytes) <= next.base, `window ${window.name} ends before the next`)
    })
  }

  windows(): readonly Window[] {
    return this.#windows
  }

  load(address: bigint, width: Width): LoadAnswer {
    const window = this.#find(address, width)
    if (window === undefined) return ABSENT
    return { kind: "value", value: window.device.load(Number(address - window.base), width) }
  }

  store(address: bigint, width: Width, value: bigint): StoreAnswer {
    const window = this.#find(address, width)
    if (window === undefined) return ABSENT
    window.device.store(Number(address - window.base), width, value)
    return DONE
  }

  #find(address: bigint, width: Width): Window | undefined {
    const end = address + BigInt(width)
    return this.#windows.find((window) => address >= window.base && end <= window.base + BigInt(window.bytes))
  }
}
