/** Physical memory protection, as regions that trap/csr worked out from pmpcfg and pmpaddr. Privileged manual, "Physical memory protection". */
import {
  ACCESS_FETCH, ACCESS_LOAD, LAYOUT_PROTECTION, LAYOUT_PROTECTION_COUNT, LAYOUT_PROTECTION_DENY_UNMATCHED, PROTECTION_EXECUTE, PROTECTION_LOCKED,
  PROTECTION_READ, PROTECTION_REGION_BYTES, PROTECTION_WRITE,
} from "./layout" // prettier-ignore

export const DENIED: u32 = 0
export const ALLOWED: u32 = 1
/** A region ends inside: whoever asked for a page must ask for the bytes. */
export const PARTLY: u32 = 2

/** May these bytes be accessed? The first region that touches them decides; it must hold all of them. */
export function protection(cpu: u32, from: u64, size: u64, access: u32, privilege: u32): u32 {
  const count = load<u32>(cpu, LAYOUT_PROTECTION_COUNT)
  const to = from + size
  for (let index: u32 = 0; index < count; index++) {
    const region = cpu + LAYOUT_PROTECTION + index * PROTECTION_REGION_BYTES
    const regionFrom = load<u64>(region)
    const regionTo = load<u64>(region, 8)
    if (regionFrom >= to || regionTo <= from) continue
    if (regionFrom > from || regionTo < to) return PARTLY
    const flags = load<u32>(region, 16)
    if (privilege == 3 && !(flags & PROTECTION_LOCKED)) return ALLOWED
    const wanted: u32 = access == ACCESS_FETCH ? PROTECTION_EXECUTE : access == ACCESS_LOAD ? PROTECTION_READ : PROTECTION_WRITE
    return flags & wanted ? ALLOWED : DENIED
  }
  return privilege == 3 || !load<u32>(cpu, LAYOUT_PROTECTION_DENY_UNMATCHED) ? ALLOWED : DENIED
}
