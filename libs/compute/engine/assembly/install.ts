/** Mode `refill`: the host answers a miss with one page. */
import { BANK_FETCH, BANK_INSTALLED, BANK_READ, BANK_WRITE, LAYOUT_BANK } from "./layout"
import { entryOf } from "./look-up"

/** `permissions` as PROTECTION_…. The look-up entries made from an older mapping of the page go. */
export function installTranslation(cpu: u32, virtual: u64, physical: u64, permissions: u32): void {
  const bank = load<u32>(cpu, LAYOUT_BANK)
  const entry = entryOf(bank + BANK_INSTALLED, virtual)
  // What shares this place loses its look-up entries too: the look-up TLB stays within what was installed.
  store<u64>(entryOf(bank + BANK_READ, virtual), -1)
  store<u64>(entryOf(bank + BANK_WRITE, virtual), -1)
  store<u64>(entryOf(bank + BANK_FETCH, virtual), -1)
  store<u64>(entry, virtual & ~0xfff)
  store<u64>(entry, (physical & ~0xfff) | u64(permissions), 8)
}
