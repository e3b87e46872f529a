/**
 * Loops that fill or copy memory byte by byte, many rounds at once. Compilers make them of `memset` and `memmove` as kernels write them, and a kernel that clears
 * each page it gives away does little else. A round here is what its instructions would do, one after the other; the last of a loop is always left to them.
 *
 * Only what would not have missed: both pages are in the look-up TLB, so nothing faults, no frame has a flag, and no device is near. Functional build only.
 */
import { BANK_READ, BANK_WRITE, TLB_ENTRIES } from "./layout"
import { OP_ADDI_2, OP_ADDI_4, OP_LBU_4, OP_SB_4 } from "./operations"

const TLB_MASK: u32 = (TLB_ENTRIES - 1) << 4
/** Fewer are not worth the looks. */
const ROUNDS_LEAST: u32 = 8
const FILL_INSTRUCTIONS: u32 = 3
const COPY_INSTRUCTIONS: u32 = 5
/** Of x0 as a source; it is never counted up. */
const ZERO: u32 = 0

// @ts-ignore: decorator
@inline
function operation(record: u32): u32 {
  return load<u8>(record)
}

/** Byte offsets of registers in the state block, as records have them. */
// @ts-ignore: decorator
@inline
function target(record: u32): u32 {
  return (u32(load<u8>(record, 1)) + 8) & 0xff
}

// @ts-ignore: decorator
@inline
function first(record: u32): u32 {
  return load<u8>(record, 2)
}

// @ts-ignore: decorator
@inline
function second(record: u32): u32 {
  return load<u8>(record, 3)
}

/** Is it `addi x, x, 1`? Then the record after it, else 0. */
function afterStep(record: u32): u32 {
  const step = operation(record)
  if (step != OP_ADDI_2 && step != OP_ADDI_4) return 0
  if (load<i32>(record, 4) != 1 || first(record) == ZERO || target(record) != first(record)) return 0
  return record + (step == OP_ADDI_2 ? 8 : 16)
}

/** Rounds that `left` instructions, the bytes left in the page and the loop's end allow. `count`: the loop's rounds from here, the last not among them. */
function rounds(count: u64, left: u32, at: u64): u32 {
  return u32(min<u64>(min<u64>(count, left), 4096 - (at & 0xfff)))
}

/** Address in linear memory where a byte of `at` lies, 0: the look-up TLB does not say. */
function hostOf(array: u32, at: u64): u32 {
  const entry = array + ((u32(at) >>> 8) & TLB_MASK)
  return load<u64>(entry) == (at & ~0xfff) ? u32(at) + load<u32>(entry, 8) : 0
}

/**
 * At the head of a loop that ends with the bne of the record `branch`, taken just now: how many instructions were done at once, `left` at most. The head is where
 * execution goes on.
 */
export function bulk(cpu: u32, tlb: u32, head: u32, branch: u32, left: u32): u32 {
  return operation(head) == OP_SB_4 ? fill(cpu, tlb, head, branch, left) : copy(cpu, tlb, head, branch, left)
}

/** sb v, i(x); addi x, x, 1; bne x, y. */
function fill(cpu: u32, tlb: u32, head: u32, branch: u32, left: u32): u32 {
  const x = first(head)
  const step = head + 16
  if (afterStep(step) != branch || first(step) != x || first(branch) != x || second(branch) == x || second(head) == x) return 0
  const from = load<u64>(cpu + x)
  const at = from + i64(load<i32>(head, 4))
  const n = rounds(load<u64>(cpu + second(branch)) - from - 1, left / FILL_INSTRUCTIONS, at)
  if (n < ROUNDS_LEAST) return 0
  const host = hostOf(tlb + BANK_WRITE, at)
  if (host == 0) return 0
  memory.fill(host, load<u8>(cpu + second(head)), n)
  store<u64>(cpu + x, from + n)
  return n * FILL_INSTRUCTIONS
}

/** addi x, x, 1; addi z, z, 1; lbu v, i(x); sb v, j(z); bne x, y. */
function copy(cpu: u32, tlb: u32, head: u32, branch: u32, left: u32): u32 {
  const next = afterStep(head)
  const read = next == 0 ? 0 : afterStep(next)
  if (read == 0 || operation(read) != OP_LBU_4 || operation(read + 16) != OP_SB_4 || read + 32 != branch) return 0
  const x = first(head)
  const z = first(next)
  const v = target(read)
  const y = second(branch)
  if (first(read) != x || first(read + 16) != z || second(read + 16) != v || first(branch) != x) return 0
  if (v == ZERO || x == z || v == x || v == z || y == x || y == z || y == v) return 0
  const from = load<u64>(cpu + x)
  const to = load<u64>(cpu + z)
  const source = from + 1 + i64(load<i32>(read, 4))
  const sink = to + 1 + i64(load<i32>(read + 16, 4))
  const n = rounds(rounds(load<u64>(cpu + y) - from - 1, left / COPY_INSTRUCTIONS, source), left, sink)
  if (n < ROUNDS_LEAST) return 0
  const sourceHost = hostOf(tlb + BANK_READ, source)
  const sinkHost = hostOf(tlb + BANK_WRITE, sink)
  // What is written would be read again further on.
  if (sourceHost == 0 || sinkHost == 0 || (sinkHost > sourceHost && sinkHost - sourceHost < n)) return 0
  store<u64>(cpu + v, load<u8>(sourceHost + n - 1))
  memory.copy(sinkHost, sourceHost, n)
  store<u64>(cpu + x, from + n)
  store<u64>(cpu + z, to + n)
  return n * COPY_INSTRUCTIONS
}
