/**
 * The fixed parts of an ELF64 file: header, program headers, section headers, each checked against the length of the file.
 *
 * System V ABI, chapter 4 (ELF-64); RISC-V psABI for the machine number.
 */
import { hex, reject, type Rejection } from "./rejection.ts"

const HEADER_BYTES = 64
const PROGRAM_ENTRY_BYTES = 56
const SECTION_ENTRY_BYTES = 64
const CLASS_64 = 2
const LITTLE_ENDIAN = 1
const TYPE_EXECUTABLE = 2
const TYPE_SHARED = 3
const MACHINE_RISCV = 243

const TRUNCATED = "copy or link it again: the file is truncated"
const REBUILD = "build it with riscv64-unknown-elf-gcc -march=rv64imac -mabi=lp64 -nostdlib -static"

export interface ElfHeader {
  readonly kind: "header"
  readonly entry: bigint
  readonly programs: readonly ProgramHeader[]
  readonly sections: readonly SectionHeader[]
}

export interface ProgramHeader {
  readonly type: number
  readonly offset: bigint
  readonly virtualAddress: bigint
  readonly physicalAddress: bigint
  readonly fileBytes: bigint
  readonly memoryBytes: bigint
}

export interface SectionHeader {
  readonly type: number
  readonly offset: bigint
  readonly bytes: bigint
  /** Index of a related section: of a symbol table, its strings. */
  readonly link: number
}

export function viewOf(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.byteLength)
}

export function readHeader(file: Uint8Array): ElfHeader | Rejection {
  if (file.length < HEADER_BYTES)
    return reject("header", `the file has ${file.length} bytes, an ELF64 header takes ${HEADER_BYTES}`, TRUNCATED)
  const view = viewOf(file)
  const wrong = wrongKind(view)
  if (wrong !== null) return wrong
  const programs = readTable(
    view,
    { name: "program headers", offsetAt: 32, sizeAt: 54, countAt: 56, entryBytes: PROGRAM_ENTRY_BYTES },
    programHeader,
  )
  if ("kind" in programs) return programs
  const sections = readTable(
    view,
    { name: "section headers", offsetAt: 40, sizeAt: 58, countAt: 60, entryBytes: SECTION_ENTRY_BYTES },
    sectionHeader,
  )
  if ("kind" in sections) return sections
  return { kind: "header", entry: view.getBigUint64(24, true), programs: programs.entries, sections: sections.entries }
}

/** Class, byte order, type and machine, in the order in which a wrong one makes the next meaningless. */
function wrongKind(view: DataView): Rejection | null {
  if (view.getUint8(4) !== CLASS_64) return reject("class", "not a 64-bit ELF file", REBUILD)
  if (view.getUint8(5) !== LITTLE_ENDIAN) return reject("byte order", "not little-endian", REBUILD)
  const machine = view.getUint16(18, true)
  if (machine !== MACHINE_RISCV) return reject("machine", `number ${machine}, not ${MACHINE_RISCV} (RISC-V)`, REBUILD)
  const type = view.getUint16(16, true)
  if (type === TYPE_SHARED)
    return reject("type", "position independent or dynamically linked", "link it for a fixed address: -static -no-pie")
  if (type !== TYPE_EXECUTABLE)
    return reject("type", `number ${type}, not ${TYPE_EXECUTABLE} (executable)`, "link it: an object file can not be run")
  return null
}

interface TablePlace {
  readonly name: string
  /** Where the header keeps the table's offset, the size of an entry and their number. */
  readonly offsetAt: number
  readonly sizeAt: number
  readonly countAt: number
  readonly entryBytes: number
}

function readTable<Entry>(
  view: DataView,
  place: TablePlace,
  read: (view: DataView, at: number) => Entry,
): { entries: readonly Entry[] } | Rejection {
  const offset = view.getBigUint64(place.offsetAt, true)
  const count = view.getUint16(place.countAt, true)
  if (offset === 0n || count === 0) return { entries: [] }
  const size = view.getUint16(place.sizeAt, true)
  if (size !== place.entryBytes) return reject(place.name, `entries of ${size} bytes, not ${place.entryBytes}`, REBUILD)
  const end = offset + BigInt(count * size)
  if (end > BigInt(view.byteLength))
    return reject(place.name, `they end at ${hex(end)}, the file at ${hex(BigInt(view.byteLength))}`, TRUNCATED)
  return { entries: Array.from({ length: count }, (_, index) => read(view, Number(offset) + index * size)) }
}

function programHeader(view: DataView, at: number): ProgramHeader {
  return {
    type: view.getUint32(at, true),
    offset: view.getBigUint64(at + 8, true),
    virtualAddress: view.getBigUint64(at + 16, true),
    physicalAddress: view.getBigUint64(at + 24, true),
    fileBytes: view.getBigUint64(at + 32, true),
    memoryBytes: view.getBigUint64(at + 40, true),
  }
}

function sectionHeader(view: DataView, at: number): SectionHeader {
  return {
    type: view.getUint32(at + 4, true),
    offset: view.getBigUint64(at + 24, true),
    bytes: view.getBigUint64(at + 32, true),
    link: view.getUint32(at + 40, true),
  }
}
