/**
 * Reads the flat `Image` of a Linux kernel: a header of 64 bytes in front of bytes that are loaded as they are.
 *
 * Linux, Documentation/riscv/boot-image-header.rst. Such a kernel starts in S-mode with SBI below it.
 */
import type { GuestImage, ImageOptions } from "./image.ts"
import { viewOf } from "./elf-header.ts"
import { hex, memoryNeeded, reject, type Rejection } from "./rejection.ts"

const HEADER_BYTES = 64
const TEXT_OFFSET_AT = 8
const IMAGE_SIZE_AT = 16
const FLAGS_AT = 24
const MAGIC_AT = 0x30
/** "RISCV", padded with zeros. */
const MAGIC = [0x52, 0x49, 0x53, 0x43, 0x56, 0, 0, 0] as const
const BIG_ENDIAN = 1n

export function isFlatImage(file: Uint8Array): boolean {
  return MAGIC.every((byte, index) => file[MAGIC_AT + index] === byte)
}

export function readFlatImage(file: Uint8Array, { memory }: ImageOptions): GuestImage | Rejection {
  if (file.length < HEADER_BYTES)
    return reject("header", `the file has ${file.length} bytes, the header takes ${HEADER_BYTES}`, "copy it again: the file is truncated")
  const view = viewOf(file)
  if ((view.getBigUint64(FLAGS_AT, true) & BIG_ENDIAN) !== 0n) return reject("flags", "a big-endian kernel", "build it little-endian")
  const offset = view.getBigUint64(TEXT_OFFSET_AT, true)
  const stated = view.getBigUint64(IMAGE_SIZE_AT, true)
  const length = BigInt(file.length)
  // The stated size includes .bss; a kernel that states none takes what the file has.
  const memoryBytes = stated > length ? stated : length
  const address = memory.base + offset
  const end = address + memoryBytes
  if (end > memory.base + memory.bytes) {
    return reject("image size", `it ends at ${hex(end)}, beyond RAM`, `give more memory: --memory ${memoryNeeded(memory.base, end)}`)
  }
  return {
    kind: "image",
    format: "flat",
    entry: address,
    start: "supervisor",
    segments: [{ address, data: file, memoryBytes }],
    symbols: new Map(),
  }
}
