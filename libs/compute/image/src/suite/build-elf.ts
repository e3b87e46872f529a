/**
 * Writes small ELF64 executables, so that tests need no compiler and can ask for broken ones.
 *
 * Layout: header, program headers, data of the segments, symbols, names, section headers (none, symbol table, strings).
 */
export interface ElfPlan {
  readonly entry: bigint
  readonly segments: readonly {
    readonly virtualAddress: bigint
    readonly physicalAddress: bigint
    readonly data: Uint8Array
    readonly memoryBytes: bigint
  }[]
  readonly symbols: readonly (readonly [string, bigint])[]
}

const HEADER = 64
const PROGRAM = 56
const SECTION = 64
const SYMBOL = 24

export function buildElf({ entry, segments, symbols }: ElfPlan): Uint8Array {
  const dataAt = HEADER + PROGRAM * segments.length
  const dataEnd = segments.reduce((end, { data }) => end + data.length, dataAt)
  const symbolsBytes = SYMBOL * (symbols.length + 1)
  const namesAt = dataEnd + symbolsBytes
  const names = `\0${symbols.map(([name]) => `${name}\0`).join("")}`
  const sectionsAt = namesAt + names.length
  const file = new Uint8Array(sectionsAt + SECTION * 3)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 243, true)
  view.setUint32(20, 1, true)
  view.setBigUint64(24, entry, true)
  view.setBigUint64(32, BigInt(HEADER), true)
  view.setBigUint64(40, BigInt(sectionsAt), true)
  view.setUint16(52, HEADER, true)
  view.setUint16(54, PROGRAM, true)
  view.setUint16(56, segments.length, true)
  view.setUint16(58, SECTION, true)
  view.setUint16(60, 3, true)
  let offset = dataAt
  for (const [index, segment] of segments.entries()) {
    const at = HEADER + PROGRAM * index
    view.setUint32(at, 1, true)
    view.setUint32(at + 4, 7, true)
    view.setBigUint64(at + 8, BigInt(offset), true)
    view.setBigUint64(at + 16, segment.virtualAddress, true)
    view.setBigUint64(at + 24, segment.physicalAddress, true)
    view.setBigUint64(at + 32, BigInt(segment.data.length), true)
    view.setBigUint64(at + 40, segment.memoryBytes, true)
    file.set(segment.data, offset)
    offset += segment.data.length
  }
  for (const [index, [name, value]] of symbols.entries()) {
    const at = dataEnd + SYMBOL * (index + 1)
    view.setUint32(at, names.indexOf(`\0${name}\0`) + 1, true)
    view.setUint16(at + 6, 1, true)
    view.setBigUint64(at + 8, value, true)
  }
  file.set(
    Array.from(names, (character) => character.charCodeAt(0)),
    namesAt,
  )
  section(view, { at: sectionsAt + SECTION, type: 2, offset: dataEnd, bytes: symbolsBytes, link: 2 })
  section(view, { at: sectionsAt + SECTION * 2, type: 3, offset: namesAt, bytes: names.length, link: 0 })
  return file
}

function section(
  view: DataView,
  { at, type, offset, bytes, link }: { at: number; type: number; offset: number; bytes: number; link: number },
): void {
  view.setUint32(at + 4, type, true)
  view.setBigUint64(at + 24, BigInt(offset), true)
  view.setBigUint64(at + 32, BigInt(bytes), true)
  view.setUint32(at + 40, link, true)
}
