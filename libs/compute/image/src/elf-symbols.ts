/**
 * Looks names up in the symbol table of an ELF64 file. A stripped file has none, which is no error.
 */
import { viewOf, type SectionHeader } from "./elf-header.ts"
import { reject, type Rejection } from "./rejection.ts"

const SYMBOL_TABLE = 2
const SYMBOL_BYTES = 24
const UNDEFINED_SECTION = 0

export function readSymbols(
  file: Uint8Array,
  sections: readonly SectionHeader[],
  wanted: readonly string[],
): { readonly found: ReadonlyMap<string, bigint> } | Rejection {
  const found = new Map<string, bigint>()
  const table = sections.find((section) => section.type === SYMBOL_TABLE)
  if (table === undefined || wanted.length === 0) return { found }
  const names = sections[table.link]
  if (names === undefined)
    return reject("symbol table", `its names are in section ${table.link}, which does not exist`, "link it again, or strip it")
  if (!inside(file, table) || !inside(file, names))
    return reject("symbol table", "it lies outside the file", "copy or link it again: the file is truncated")
  const view = viewOf(file)
  const encoded = wanted.map((name) => ({ name, bytes: ascii(name) }))
  const last = Number(table.offset + table.bytes) - SYMBOL_BYTES
  for (let at = Number(table.offset); at <= last; at += SYMBOL_BYTES) {
    if (view.getUint16(at + 6, true) === UNDEFINED_SECTION) continue
    const nameAt = Number(names.offset) + view.getUint32(at, true)
    const match = encoded.find(({ bytes }) => bytes.every((byte, index) => file[nameAt + index] === byte))
    if (match !== undefined) found.set(match.name, view.getBigUint64(at + 8, true))
  }
  return { found }
}

function inside(file: Uint8Array, { offset, bytes }: SectionHeader): boolean {
  return offset + bytes <= BigInt(file.length)
}

/** With the zero that ends it, so that `to` does not match `tohost`. */
function ascii(name: string): readonly number[] {
  return [...Array.from(name, (character) => character.charCodeAt(0)), 0]
}
