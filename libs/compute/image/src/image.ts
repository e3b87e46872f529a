/**
 * A guest image, read and checked: where its bytes go, where it starts and in which mode. Or one rejection that says why not.
 *
 * Not here: putting the bytes into memory (the board), reading the file (the command). Formats: elf.ts, flat-image.ts.
 */
import { readElf, isElf } from "./elf.ts"
import { isFlatImage, readFlatImage } from "./flat-image.ts"
import { reject, type Rejection } from "./rejection.ts"

export interface Memory {
  /** Physical address of the first byte of RAM. */
  readonly base: bigint
  readonly bytes: bigint
}

export interface Segment {
  /** Physical address. */
  readonly address: bigint
  readonly data: Uint8Array
  /** At least `data.length`; what lies beyond the data must be zero. */
  readonly memoryBytes: bigint
}

export interface GuestImage {
  readonly kind: "image"
  readonly format: "elf" | "flat"
  /** Physical address of the first instruction. */
  readonly entry: bigint
  /** ELF images bring what they need and start in M-mode; kernels in `Image` form expect SBI and start in S-mode. */
  readonly start: "machine" | "supervisor"
  /** In order of address, not overlapping, all inside memory. */
  readonly segments: readonly Segment[]
  /** Those of the asked symbols that the image defines. */
  readonly symbols: ReadonlyMap<string, bigint>
}

export interface ImageOptions {
  readonly memory: Memory
  /** Names to look up in the symbol table, such as `tohost`. */
  readonly symbols: readonly string[]
}

const GZIP = [0x1f, 0x8b] as const

export function readImage(file: Uint8Array, options: ImageOptions): GuestImage | Rejection {
  if (file.length === 0) return reject("file", "it is empty", "give an ELF64 executable or a Linux Image for RISC-V")
  if (isElf(file)) return readElf(file, options)
  if (isFlatImage(file)) return readFlatImage(file, options)
  if (file[0] === GZIP[0] && file[1] === GZIP[1]) return reject("magic", "the file is compressed with gzip", "unpack it first: gunzip")
  return reject(
    "magic",
    'neither an ELF file nor a RISC-V Image (no "RISCV" at offset 0x30)',
    "give an ELF64 executable or a Linux Image for RISC-V",
  )
}
