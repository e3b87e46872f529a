/** Reads the look-up TLB of one CPU out of linear memory: for audits, which ask what the engine would do without asking anybody. */
import { RAM_BASE, type AccessKind, type LookUp } from "@backplane/compute-contract/engine"
import {
  BANK,
  BANK_BYTES,
  BANK_COUNT,
  BANK_KEY_BYTES,
  LAYOUT,
  PROTECTION_EXECUTE,
  PROTECTION_READ,
  PROTECTION_WRITE,
  SLOT_HEADER_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
} from "./layout.ts"

const LITTLE = true
const PAGE_MASK = 0xfffn
const EMPTY = 2n ** 64n - 1n

interface Place {
  readonly view: DataView
  /** Address of the state block. */
  readonly at: number
  /** Address of RAM in linear memory. */
  readonly ram: number
}

export function readLookUps(place: Place): readonly LookUp[] {
  const { view, at } = place
  const found: LookUp[] = []
  for (let bank = 0; bank < BANK_COUNT; bank++) {
    if (view.getUint32(at + LAYOUT.BANK_KEYS + bank * BANK_KEY_BYTES, LITTLE) === 0) continue
    const base = at + LAYOUT.BANKS + bank * BANK_BYTES
    const current = view.getUint32(at + LAYOUT.BANK, LITTLE) === base
    for (let entry = 0; entry < TLB_ENTRIES; entry++) found.push(...readPlace(place, { base, offset: entry * TLB_ENTRY_BYTES, current }))
  }
  return found
}

function readPlace(
  { view, ram }: Place,
  { base, offset, current }: { readonly base: number; readonly offset: number; readonly current: boolean },
): readonly LookUp[] {
  const tagOf = (array: number): bigint => view.getBigUint64(base + array + offset, LITTLE)
  const found: LookUp[] = []
  const put = (access: AccessKind, tag: bigint, machineAddress: bigint): void =>
    void found.push({ access, virtualAddress: tag & ~PAGE_MASK, machineAddress, current })
  for (const [access, array] of [
    ["load", BANK.READ],
    ["store", BANK.WRITE],
  ] as const) {
    // prettier-ignore
    const tag = tagOf(array)
    if (tag === EMPTY) continue
    const addend = view.getUint32(base + array + offset + 8, LITTLE)
    put(access, tag, BigInt(((addend + Number(BigInt.asUintN(32, tag & ~PAGE_MASK))) >>> 0) - ram) + RAM_BASE)
  }
  const code = tagOf(BANK.FETCH)
  if (code !== EMPTY) {
    const slot = view.getUint32(base + BANK.FETCH + offset + 8, LITTLE)
    put("fetch", code, BigInt(view.getUint32(slot - SLOT_HEADER_BYTES, LITTLE) - ram) + RAM_BASE)
  }
  for (const array of [BANK.INSTALLED, BANK.INSTALLED_FETCH]) {
    const tag = tagOf(array)
    if (tag === EMPTY) continue
    const target = view.getBigUint64(base + array + offset + 8, LITTLE)
    const bits = Number(target & PAGE_MASK)
    const machine = target & ~PAGE_MASK
    if (array === BANK.INSTALLED_FETCH && (bits & PROTECTION_EXECUTE) !== 0) put("fetch", tag, machine)
    if (array === BANK.INSTALLED && (bits & PROTECTION_READ) !== 0) put("load", tag, machine)
    if (array === BANK.INSTALLED && (bits & PROTECTION_WRITE) !== 0) put("store", tag, machine)
  }
  return found
}
