/**
 * Reads an ELF64 executable for RISC-V: its segments by *physical* address, its entry, the asked symbols.
 *
 * Not here: relocation, dynamic linking, ELF32. `.bss` is the part of a segment beyond its data: the board zeroes it.
 */
import { readHeader, type ElfHeader, type ProgramHeader } from "./elf-header.ts"
import { readSymbols } from "./elf-symbols.ts"
import type { GuestImage, ImageOptions, Memory, Segment } from "./image.ts"
import { hex, memoryNeeded, reject, type Rejection } from "./rejection.ts"

const MAGIC = [0x7f, 0x45, 0x4c, 0x46] as const
const LOAD = 1
const INTERPRETER = 3

export function isElf(file: Uint8Array): boolean {
  return MAGIC.every((byte, index) => file[index] === byte)
}

export function readElf(file: Uint8Array, { memory, symbols: wanted }: ImageOptions): GuestImage | Rejection {
  const header = readHeader(file)
  if (header.kind === "rejection") return header
  if (header.programs.some((program) => program.type === INTERPRETER)) {
    return reject("program headers", "the program asks for a dynamic loader", "link it statically: -static")
  }
  const loads = header.programs.filter((program) => program.type === LOAD && program.memoryBytes > 0n)
  if (loads.length === 0) return reject("program headers", "no segment is to be loaded", "link it as an executable, not with -r")
  for (const [index, load] of loads.entries()) {
    const wrong = wrongSegment({ load, index }, file, memory)
    if (wrong !== null) return wrong
  }
  const sorted = loads.toSorted((left, right) => (left.physicalAddress < right.physicalAddress ? -1 : 1))
  const overlap = overlapping(sorted)
  if (overlap !== null) return overlap
  const entry = physicalEntry(header, loads)
  if (entry < memory.base || entry >= memory.base + memory.bytes) {
    return reject("entry", `${hex(header.entry)} lies outside RAM (${range(memory)})`, `link it for ${hex(memory.base)}`)
  }
  if ((entry & 1n) !== 0n)
    return reject("entry", `${hex(header.entry)} is odd: instructions begin at even addresses`, "mend the linker script's ENTRY")
  const symbols = readSymbols(file, header.sections, wanted)
  if ("kind" in symbols) return symbols
  return {
    kind: "image",
    format: "elf",
    entry,
    start: "machine",
    segments: sorted.map((load) => segment(file, load)),
    symbols: symbols.found,
  }
}

function wrongSegment({ load, index }: { load: ProgramHeader; index: number }, file: Uint8Array, memory: Memory): Rejection | null {
  const field = `segment ${index}`
  const { offset, fileBytes, memoryBytes, physicalAddress } = load
  if (fileBytes > memoryBytes)
    return reject(field, `${hex(fileBytes)} bytes in the file, ${hex(memoryBytes)} in memory`, "link it again: the file is damaged")
  if (offset + fileBytes > BigInt(file.length)) {
    return reject(
      field,
      `its data ends at ${hex(offset + fileBytes)}, the file at ${hex(BigInt(file.length))}`,
      "copy or link it again: the file is truncated",
    )
  }
  if (physicalAddress < memory.base)
    return reject(field, `it begins at ${hex(physicalAddress)}, below RAM (${range(memory)})`, `link it for ${hex(memory.base)}`)
  const end = physicalAddress + memoryBytes
  if (end <= memory.base + memory.bytes) return null
  if (physicalAddress >= memory.base + memory.bytes && physicalAddress >> 40n !== 0n) {
    return reject(field, `it begins at ${hex(physicalAddress)}, outside RAM (${range(memory)})`, `link it for ${hex(memory.base)}`)
  }
  return reject(
    field,
    `it ends at ${hex(end)}, beyond RAM (${range(memory)})`,
    `give more memory: --memory ${memoryNeeded(memory.base, end)}`,
  )
}

function overlapping(sorted: readonly ProgramHeader[]): Rejection | null {
  for (const [index, load] of sorted.entries()) {
    const next = sorted[index + 1]
    if (next === undefined || load.physicalAddress + load.memoryBytes <= next.physicalAddress) continue
    const where = `the one at ${hex(load.physicalAddress)} reaches into the one at ${hex(next.physicalAddress)}`
    return reject("segments", `two of them overlap: ${where}`, "mend the linker script: load addresses must not overlap")
  }
  return null
}

/** The entry is a virtual address: a kernel may be linked high and loaded low. */
function physicalEntry({ entry }: ElfHeader, loads: readonly ProgramHeader[]): bigint {
  const home = loads.find((load) => entry >= load.virtualAddress && entry < load.virtualAddress + load.memoryBytes)
  return home === undefined ? entry : entry - home.virtualAddress + home.physicalAddress
}

function segment(file: Uint8Array, { offset, fileBytes, memoryBytes, physicalAddress }: ProgramHeader): Segment {
  return { address: physicalAddress, data: file.subarray(Number(offset), Number(offset + fileBytes)), memoryBytes }
}

function range({ base, bytes }: Memory): string {
  return `${hex(base)} to ${hex(base + bytes)}`
}
