/** A reply that says no: which field, what is wrong with it, what to do. The user's input is at fault, never our reasoning. */
export interface Rejection {
  readonly kind: "rejection"
  readonly field: string
  readonly reason: string
  readonly remedy: string
}

export function reject(field: string, reason: string, remedy: string): Rejection {
  return { kind: "rejection", field, reason, remedy }
}

/** One line for a person. */
export function explain({ field, reason, remedy }: Rejection): string {
  return `${field}: ${reason}; ${remedy}`
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}

const MEBIBYTE = 1n << 20n

/** What `--memory` would have to be for an image that ends at `end`. */
export function memoryNeeded(base: bigint, end: bigint): string {
  return `${(end - base + MEBIBYTE - 1n) / MEBIBYTE}M`
}
