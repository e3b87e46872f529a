/** Mode `refill`: the host answers a miss with one page. */
import { BANK_FETCH, BANK_INSTALLED, BANK_INSTALLED_FETCH, BANK_READ, BANK_WRITE, LAYOUT_BANK, PROTECTION_EXECUTE, PROTECTION_READ, PROTECTION_WRITE } from "./layout"
import { entryOf } from "./look-up"

/** Look-up entries of another page that shares the place stay: they came from what was installed, and a flush of that page finds them. */
function forget(array: u32, virtual: u64): void {
  const entry = entryOf(array, virtual)
  if ((load<u64>(entry) & ~0xfff) == (virtual & ~0xfff)) store<u64>(entry, -1)
}

function put(array: u32, virtual: u64, target: u64): void {
  const entry = entryOf(array, virtual)
  store<u64>(entry, virtual & ~0xfff)
  store<u64>(entry, target, 8)
}

/** `permissions` as PROTECTION_…. The look-up entries made from an older mapping of the page go. */
export function installTranslation(cpu: u32, virtual: u64, physical: u64, permissions: u32): void {
  const bank = load<u32>(cpu, LAYOUT_BANK)
  const target = (physical & ~0xfff) | u64(permissions)
  if (permissions & PROTECTION_EXECUTE) {
    forget(bank + BANK_FETCH, virtual)
    put(bank + BANK_INSTALLED_FETCH, virtual, target)
  }
  if (permissions & (PROTECTION_READ | PROTECTION_WRITE)) {
    forget(bank + BANK_READ, virtual)
    forget(bank + BANK_WRITE, virtual)
    put(bank + BANK_INSTALLED, virtual, target)
  }
}
