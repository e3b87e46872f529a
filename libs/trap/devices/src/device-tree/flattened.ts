/**
 * Writes a device tree in its flattened form (DTB, version 17).
 *
 * Not here: what stands in the tree of the board (virt-tree.ts). Devicetree Specification 0.4, chapter 5.
 */
export interface TreeNode {
  /** With its unit address, such as `cpu@0`; empty for the root. */
  readonly name: string
  readonly properties: readonly TreeProperty[]
  readonly children: readonly TreeNode[]
}

export interface TreeProperty {
  readonly name: string
  readonly value: Uint8Array
}

const MAGIC = 0xd00d_feed
const VERSION = 17
const COMPATIBLE_VERSION = 16
const HEADER_BYTES = 40
/** One empty entry ends the memory reservations. */
const RESERVATION_BYTES = 16
const BEGIN_NODE = 1
const END_NODE = 2
const PROPERTY = 3
const END = 9

export function cells(name: string, ...values: readonly number[]): TreeProperty {
  return { name, value: words(values) }
}

/** 64-bit numbers as two cells each: addresses and sizes. */
export function wide(name: string, ...values: readonly bigint[]): TreeProperty {
  return { name, value: words(values.flatMap((value) => [Number(value >> 32n), Number(value & 0xffff_ffffn)])) }
}

export function text(name: string, ...values: readonly string[]): TreeProperty {
  return { name, value: Uint8Array.from(values.flatMap((value) => terminated(value))) }
}

export function flag(name: string): TreeProperty {
  return { name, value: new Uint8Array(0) }
}

export function flatten(root: TreeNode, bootCpu = 0): Uint8Array {
  const names = new NameBlock()
  const structure = [...nodeBytes(root, names), ...words([END])]
  const strings = names.bytes()
  const structureAt = HEADER_BYTES + RESERVATION_BYTES
  const stringsAt = structureAt + structure.length
  const total = stringsAt + strings.length
  const header = [
    MAGIC,
    total,
    structureAt,
    stringsAt,
    HEADER_BYTES,
    VERSION,
    COMPATIBLE_VERSION,
    bootCpu,
    strings.length,
    structure.length,
  ]
  return Uint8Array.from([...words(header), ...new Uint8Array(RESERVATION_BYTES), ...structure, ...strings])
}

/** Property names are kept once each, in a block of their own. */
class NameBlock {
  readonly #offsets = new Map<string, number>()
  #length = 0

  offsetOf(name: string): number {
    const known = this.#offsets.get(name)
    if (known !== undefined) return known
    const offset = this.#length
    this.#offsets.set(name, offset)
    this.#length += name.length + 1
    return offset
  }

  bytes(): number[] {
    return [...this.#offsets.keys()].flatMap((name) => terminated(name))
  }
}

function nodeBytes(node: TreeNode, names: NameBlock): number[] {
  const properties = node.properties.flatMap(({ name, value }) => [
    ...words([PROPERTY, value.length, names.offsetOf(name)]),
    ...padded([...value]),
  ])
  const children = node.children.flatMap((child) => nodeBytes(child, names))
  return [...words([BEGIN_NODE]), ...padded(terminated(node.name)), ...properties, ...children, ...words([END_NODE])]
}

/** Big-endian, as everything in a device tree. */
function words(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, index) => view.setUint32(index * 4, value))
  return bytes
}

/** ASCII only: names, compatibles and boot arguments. Anything else becomes `?` rather than a wrong byte. */
function terminated(value: string): number[] {
  return [...Array.from(value, (character) => (character.charCodeAt(0) < 128 ? character.charCodeAt(0) : 0x3f)), 0]
}

function padded(bytes: readonly number[]): number[] {
  return [...bytes, ...new Array<number>((4 - (bytes.length % 4)) % 4).fill(0)]
}
