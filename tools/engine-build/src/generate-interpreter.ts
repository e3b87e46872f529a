/**
 * The module `interpreter` of the engine: one loop around one dense switch on the operation of the next record.
 *
 * Locals carry what every step needs: `ip` (the record), `slot` (its decoded page), `base` (the page's virtual address),
 * `left` (instructions to go), `tlb` (bank in use). A case ends in `continue`, or in `break` with a jump's `target`.
 */
import { INSTRUCTIONS } from "@backplane/compute-riscv/table"
import { COMBINATIONS, CONDITIONS, EXPRESSIONS, expressionOf } from "./operation-bodies.ts"
import { identifier, lengthsOf } from "./operations.ts"
import type { Instruction } from "@backplane/compute-riscv/instruction"

const RECORDS_PER_BYTE = 4
const A = "const a = load<i64>(cpu + load<u8>(ip, 2))"
const B = "const b = load<i64>(cpu + load<u8>(ip, 3))"
const B_IMMEDIATE = "const b = i64(load<i32>(ip, 4))"
/** An exit: the instruction at `ip` did not complete, so it does not count. */
const LEAVE = "return leave(cpu, base, slot, ip, budget - left - 1 - cut)"
const PC = "(base + u64((ip - slot) >>> 2))"
const write = (value: string): string => `store<i64>(cpu + load<u8>(ip, 1), ${value}, 8)`
const next = (length: number): string => `ip += ${length * RECORDS_PER_BYTE}; continue`
/** A store to a watched page ends the run after this instruction: what was left is cut off. */
const AFTER_STORE = "if (watchHit) { cut += left; left = 0 }"

/** What the timed build puts around accesses; the functional one gets empty texts and is what it would be without. */
interface TimedParts {
  /** Before whatever may stall, after the instruction has issued. */
  readonly enter: string
  /** After it: takes what stood still off the instructions left. */
  readonly settle: string
  /** To the next instruction, `length` bytes on, after an access that may have thrown the page of the code out of the TLB. */
  next(length: number): string
  /** Of a hit in the look-up TLB at `host`: the first level may still miss. */
  read(width: number): string
  write(width: number): string
  readonly imports: string
  readonly locals: string
  /** Around the look for the page of `target`, and when it is found. */
  readonly beforePage: string
  readonly afterPage: string
  readonly newPage: string
  readonly perInstruction: string
  readonly beforeStraddle: string
  readonly afterStraddle: string
}

const NOTHING: TimedParts = {
  enter: "",
  settle: "",
  next,
  read: () => "",
  write: () => "",
  imports: "",
  locals: "",
  beforePage: "",
  afterPage: "",
  newPage: "",
  perInstruction: "",
  beforeStraddle: "",
  afterStraddle: "",
}

const ENTER = "enterAccess(budget - left - cut);"
const settleAtMost = (most: string): string => `const late = settle(${most}); left -= late; cut += late;`
/** A miss may have thrown out the line of the very instructions under way; those of a straddling one have no line to look at. */
const SETTLE = `${settleAtMost("left")} fetchLine = select<u32>(0, NO_LINE, slot == u32(cpu + LAYOUT_SCRATCH));`
const missing = (filter: string): string => `load<u32>(${filter} + ((host >>> 4) & filterMask)) != host >>> 6`

const TIMED: TimedParts = {
  enter: ENTER,
  settle: SETTLE,
  next: (length) => `if (takePageLost()) { target = ${PC} + ${length}; break } ${next(length)}`,
  read: (width) => `if (${missing("readFilter")}) { ${ENTER} touchRead(cpu, host, ${width}); ${SETTLE} }`,
  write: (width) => `if (${missing("writeFilter")}) { ${ENTER} touchWrite(cpu, host, ${width}); ${SETTLE} }`,
  imports: `import { CORE_FILTERS, LAYOUT_SCRATCH, SLOT_HEADER_BYTES } from "./layout"
import { touchFetch, touchRead, touchWrite } from "./timing-protocol"
import { coreOf, enterAccess, enterFetch, filterBytes, firstMask, leaveFetch, settle } from "./timing-state"
import { takePageLost } from "./timing-tlb"

/** No line of a page, which are 0 to 63; 64 is the mark at its end. */
const NO_LINE: u32 = 255
`,
  locals: `  const readFilter = coreOf(cpu) + CORE_FILTERS
  const writeFilter = readFilter + filterBytes
  const fetchFilter = writeFilter + filterBytes
  const filterMask = firstMask << 2
  /** The line of the page that was last looked at, in 64ths of the page. */
  let fetchLine = NO_LINE
`,
  beforePage: "enterFetch(budget - left - cut);",
  newPage: "fetchLine = NO_LINE",
  // One instruction is done whatever its page took: turns are of whole instructions.
  afterPage: `leaveFetch(); ${settleAtMost("left - 1")}`,
  perInstruction: `    const lineNow = (ip - slot) >>> 8
    if (lineNow != fetchLine) {
      fetchLine = lineNow
      if (lineNow < 64) {
        const host = load<u32>(slot - SLOT_HEADER_BYTES) + (lineNow << 6)
        if (${missing("fetchFilter")}) { enterFetch(budget - left - cut - 1); touchFetch(cpu, host); leaveFetch(); ${settleAtMost("left")} }
      }
    }
`,
  beforeStraddle: "enterFetch(budget - left - cut - 1);",
  afterStraddle: `leaveFetch(); ${settleAtMost("left")} fetchLine = 0;`,
}

const one = (name: string, body: string): string => `    case ${name}: { ${body} }\n`

function aluCases(instruction: Instruction): string {
  const b = instruction.format === "R" ? B : instruction.format === "R1" ? "" : B_IMMEDIATE
  return lengthsOf(instruction)
    .map((length) =>
      one(`OP_${identifier(instruction.name)}_${length}`, `${A}; ${b}; ${write(expressionOf(instruction.name))}; ${next(length)}`),
    )
    .join("")
}

function branchCases(instruction: Instruction): string {
  const condition = CONDITIONS[instruction.name] ?? ""
  const name = `OP_${identifier(instruction.name)}`
  return lengthsOf(instruction)
    .map((length) => {
      const local = `${A}; ${B}; ip += select<i32>(load<i32>(ip, 4), ${length * RECORDS_PER_BYTE}, ${condition}); continue`
      const far = `${A}; ${B}; if (${condition}) { target = ${PC} + u64(i64(load<i32>(ip, 4))); break } ${next(length)}`
      return one(`${name}_LOCAL_${length}`, local) + one(`${name}_FAR_${length}`, far)
    })
    .join("")
}

const TYPES: Readonly<Record<number, readonly [signed: string, unsigned: string]>> = {
  1: ["i8", "u8"],
  2: ["i16", "u16"],
  4: ["i32", "u32"],
  8: ["i64", "u64"],
}
const typeOf = (width: number, signed: boolean): string => TYPES[width]?.[signed ? 0 : 1] ?? ""

const ADDRESS = "const at = load<i64>(cpu + load<u8>(ip, 2)) + i64(load<i32>(ip, 4))"
const entry = (array: number): string => `const entry = tlb + ((u32(at) >>> 8) & TLB_MASK)${array === 0 ? "" : ` + ${array}`}`
/** Aligned and in the entry's page: one comparison tells both. */
const hit = (width: number): string => `(at & ${width === 1 ? "~0xfff" : `(~0xfff | ${width - 1})`}) == load<i64>(entry)`

const HOST = "const host = u32(at) + load<u32>(entry, 8);"

function memoryCases(instruction: Instruction, timed: TimedParts): string {
  const { operation } = instruction
  return lengthsOf(instruction)
    .map((length) => {
      const name = `OP_${identifier(instruction.name)}_${length}`
      if (operation.kind === "load") {
        const type = typeOf(operation.width, operation.signed)
        const fast = `if (${hit(operation.width)}) { ${HOST} ${timed.read(operation.width)} ${write(`i64(load<${type}>(host))`)}; ${next(length)} }`
        const slow = `${timed.enter} const value = loadSlow(cpu, u64(at), ${operation.width}); if (stopped) ${LEAVE}; ${timed.settle} ${write(`i64(${type}(value))`)}; ${timed.next(length)}`
        return one(name, `${ADDRESS}; ${entry(0)}; ${fast} ${slow}`)
      }
      if (operation.kind !== "store") return ""
      const type = typeOf(operation.width, false)
      const fast = `if (${hit(operation.width)}) { ${HOST} ${timed.write(operation.width)} store<${type}>(host, ${type}(b)); ${next(length)} }`
      const slow = `${timed.enter} storeSlow(cpu, u64(at), ${operation.width}, u64(b)); if (stopped) ${LEAVE}; ${timed.settle} ${AFTER_STORE} ${timed.next(length)}`
      return one(name, `${B}; ${ADDRESS}; ${entry(8192)}; ${fast} ${slow}`)
    })
    .join("")
}

function atomicCase(instruction: Instruction, timed: TimedParts): string {
  const { operation } = instruction
  const name = `OP_${identifier(instruction.name)}_4`
  const at = "const at = load<u64>(cpu + load<u8>(ip, 2))"
  if (operation.kind === "load-reserved") {
    return one(
      name,
      `${at}; ${timed.enter} const value = loadReserved(cpu, at, ${operation.width}); if (stopped) ${LEAVE}; ${timed.settle} ${write(`i64(${typeOf(operation.width, true)}(value))`)}; ${timed.next(4)}`,
    )
  }
  if (operation.kind === "store-conditional") {
    return one(
      name,
      `${at}; ${B}; ${timed.enter} const failed = storeConditional(cpu, at, ${operation.width}, u64(b)); if (stopped) ${LEAVE}; ${timed.settle} ${write("i64(failed)")}; ${AFTER_STORE} ${timed.next(4)}`,
    )
  }
  if (operation.kind !== "amo") return ""
  const type = typeOf(operation.width, true)
  const combine = COMBINATIONS[instruction.name.slice(0, -2)] ?? ""
  const work = `const m = i64(load<${type}>(host)); const b = i64(${type}(load<i64>(cpu + load<u8>(ip, 3)))); store<${type}>(host, ${type}(${combine})); afterStore(cpu, host, ${operation.width})`
  return one(
    name,
    `${at}; ${timed.enter} const host = atomicAddress(cpu, at, ${operation.width}); if (host == 0) ${LEAVE}; ${timed.settle} ${timed.write(operation.width)} ${work}; ${write("m")}; ${AFTER_STORE} ${timed.next(4)}`,
  )
}

function casesOf(instruction: Instruction, timed: TimedParts): string {
  switch (instruction.operation.kind) {
    case "alu":
      return aluCases(instruction)
    case "branch":
      return branchCases(instruction)
    case "load":
    case "store":
      return memoryCases(instruction, timed)
    case "load-reserved":
    case "store-conditional":
    case "amo":
      return atomicCase(instruction, timed)
    case "auipc":
      return one("OP_AUIPC_4", `${write(`i64(${PC}) + i64(load<i32>(ip, 4))`)}; ${next(4)}`)
    default:
      return "" // written out below
  }
}

function jumpCases(): string {
  const link = (length: number): string => write(`i64(${PC} + ${length})`)
  const far = `target = ${PC} + u64(i64(load<i32>(ip, 4)))`
  // The target is read before rd is written: they may be the same register.
  const register = `target = (load<u64>(cpu + load<u8>(ip, 2)) + u64(i64(load<i32>(ip, 4)))) & ~1`
  return [
    one("OP_JAL_LOCAL_4", `${link(4)}; ip += load<i32>(ip, 4); continue`),
    one("OP_JAL_FAR_4", `${far}; ${link(4)}; break`),
    one("OP_J_LOCAL_4", "ip += load<i32>(ip, 4); continue"),
    one("OP_J_LOCAL_2", "ip += load<i32>(ip, 4); continue"),
    one("OP_J_FAR_4", `${far}; break`),
    one("OP_J_FAR_2", `${far}; break`),
    one("OP_JALR_4", `${register}; ${link(4)}; break`),
    one("OP_JALR_2", `${register}; ${link(2)}; break`),
    one("OP_JR_4", `${register}; break`),
    one("OP_JR_2", `${register}; break`),
  ].join("")
}

/** Taken, it looks for work that can be done at once (assembly/bulk.ts). */
const LOOP = `${A}; ${B}; if (a == b) { ${next(4)} } const branch = ip; ip += load<i32>(ip, 4); const head = u32(load<u8>(ip)); if (head == OP_SB_4 || head == OP_ADDI_2 || head == OP_ADDI_4) left -= bulk(cpu, tlb, ip, branch, left); continue`

function pseudoCases(timed: TimedParts): string {
  const both = (name: string, body: string): string =>
    [4, 2].map((length) => one(`OP_${name}_${length}`, `${body}${next(length)}`)).join("")
  return [
    one("OP_DECODE", "left++; decodeAt(slot, ip); continue"),
    one("OP_PAGE_END", `left++; target = ${PC}; break`),
    one(
      "OP_STRADDLE",
      `const pc = ${PC}; ${timed.beforeStraddle} const scratch = decodeStraddling(cpu, pc, slot, ip); if (scratch == 0) ${LEAVE}; ${timed.afterStraddle} left++; base = pc; slot = scratch; ip = scratch; continue`,
    ),
    one("OP_ILLEGAL", `stopWithException(cpu, 2, rawInstruction(cpu, slot, ip)); ${LEAVE}`),
    one("OP_SYSTEM", `stopWithSystem(cpu); ${LEAVE}`),
    timed === NOTHING ? one("OP_BNE_LOOP_4", LOOP) : "",
    both("NOP", ""),
    both("LI", `${write("i64(load<i32>(ip, 4))")}; `),
    both("MV", `${write("load<i64>(cpu + load<u8>(ip, 2))")}; `),
  ].join("")
}

const HELPERS = [...new Set(Object.values(EXPRESSIONS).flatMap((text) => text.match(/(multiply|divide|remainder|orC|reverseB)\w+/g) ?? []))]

/** `operations`: every name, for the import. */
export function generateInterpreter(operations: readonly string[], fidelity: "functional" | "timed" = "functional"): string {
  const timed = fidelity === "timed" ? TIMED : NOTHING
  return `${timed.imports}import { BANK_FETCH, LAYOUT_BANK, TLB_ENTRIES } from "./layout"
import { ${HELPERS.join(", ")} } from "./arithmetic"
import { atomicAddress, loadReserved, loadSlow, stopped, stopWithException, storeConditional, storeSlow } from "./access"
import { bulk } from "./bulk"
import { decodeAt, decodeStraddling, fetchPage, rawInstruction } from "./fetch"
import { leave, leaveAt, stopWithSystem } from "./leave"
import { afterStore, watchHit } from "./memory"
import { ${operations.map((name) => `OP_${name}`).join(", ")} } from "./operations"

const TLB_MASK: u32 = (TLB_ENTRIES - 1) << 4

/** Runs until \`budget\` instructions are done or one cannot be; the exit fields say which. */
export function interpret(cpu: u32, start: u64, budget: u32): void {
  const tlb = load<u32>(cpu, LAYOUT_BANK)
  let left: u32 = budget
  let cut: u32 = 0
  let target: u64 = start
  let base: u64 = 0
  let slot: u32 = 0
  let ip: u32 = 0
${timed.locals}  while (true) {
    // To \`target\`, which may lie in any page.
    if (left == 0) return leaveAt(cpu, target, budget - cut)
    const fetchEntry = tlb + BANK_FETCH + ((u32(target) >>> 8) & TLB_MASK)
    base = target & ~0xfff
    if (load<u64>(fetchEntry) == base) slot = load<u32>(fetchEntry, 8)
    else {
      ${timed.beforePage}
      slot = fetchPage(cpu, target)
      if (slot == 0) return leaveAt(cpu, target, budget - left - cut)
      ${timed.afterPage}
    }
    ${timed.newPage}
    ip = slot + ((u32(target) & 0xfff) << 2)
    while (true) {
    if (left == 0) return leave(cpu, base, slot, ip, budget - cut)
    left--
${timed.perInstruction}    switch (u32(load<u8>(ip))) {
${pseudoCases(timed)}${jumpCases()}${INSTRUCTIONS.map((instruction) => casesOf(instruction, timed)).join("")}    default: unreachable()
    }
    break
    }
  }
}
`
}
