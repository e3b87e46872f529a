/**
 * HTIF: what a 64-bit word in the guest's `tohost` asks for. The essay is README.md of this folder.
 *
 * Not a device with a window: `tohost` and `fromhost` are plain memory, and the board looks at them after stores to their page.
 */
export type HtifRequest =
  | { readonly kind: "none" }
  /** Ends the machine: 0 is success. */
  | { readonly kind: "exit"; readonly code: bigint }
  | { readonly kind: "write-byte"; readonly byte: number; readonly reply: bigint }
  /** The guest wants a byte of input; answer with `readReply`. */
  | { readonly kind: "read-byte" }
  /** A proxied system call or a device that does not exist here. */
  | { readonly kind: "unsupported"; readonly device: number; readonly command: number }

const PAYLOAD = (1n << 48n) - 1n
const COMMAND_SHIFT = 48n
const DEVICE_SHIFT = 56n
const DEVICE_SYSTEM = 0
const DEVICE_CONSOLE = 1
const COMMAND_READ = 0
const COMMAND_WRITE = 1

export function decodeTohost(word: bigint): HtifRequest {
  if (word === 0n) return { kind: "none" }
  const device = Number(word >> DEVICE_SHIFT)
  const command = Number((word >> COMMAND_SHIFT) & 0xffn)
  const payload = word & PAYLOAD
  if (device === DEVICE_SYSTEM && command === 0 && (payload & 1n) === 1n) return { kind: "exit", code: payload >> 1n }
  if (device === DEVICE_CONSOLE && command === COMMAND_READ) return { kind: "read-byte" }
  if (device === DEVICE_CONSOLE && command === COMMAND_WRITE) {
    return { kind: "write-byte", byte: Number(payload & 0xffn), reply: header(COMMAND_WRITE) }
  }
  return { kind: "unsupported", device, command }
}

/** For `fromhost` after `read-byte`: zero payload bits above the byte. */
export function readReply(byte: number): bigint {
  return header(COMMAND_READ) | BigInt(byte & 0xff) | 0x100n
}

function header(command: number): bigint {
  return (BigInt(DEVICE_CONSOLE) << DEVICE_SHIFT) | (BigInt(command) << COMMAND_SHIFT)
}
