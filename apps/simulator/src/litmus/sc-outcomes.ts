/**
 * Every outcome that sequential consistency allows: all interleavings of the threads' memory accesses on one flat memory.
 *
 * Lamport 1979. What does not touch memory runs on at once; states that were seen are not looked at again. SC may fail at any time, and
 * succeeds only where no other thread has written to what the LR read.
 */
import { instructionNamed } from "@backplane/compute-riscv/table"
import type { LitmusInstruction } from "./litmus-instruction.ts"
import type { LitmusTest } from "./litmus-file.ts"

/** More states than this are no litmus test. */
export const STATES_MAX = 2_000_000
/** Instructions of a thread between two accesses: a loop without any never ends. */
const LOCAL_STEPS_MAX = 1000

interface ThreadState {
  pc: number
  readonly registers: bigint[]
  reservation: { readonly at: number; readonly width: number } | null
}

interface State {
  readonly threads: ThreadState[]
  readonly memory: Uint8Array
}

/** Where a variable lies in the flat memory: 16 bytes each. */
export const SLOT_BYTES = 16

export class TooManyStates extends Error {
  override readonly name = "TooManyStates"
}

/** Final states as `outcomeText` gives them. */
export function scOutcomes(test: LitmusTest): ReadonlySet<string> {
  const outcomes = new Set<string>()
  const seen = new Set<string>()
  const pending: State[] = [initialState(test)]
  for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
    for (const [index] of state.threads.entries()) runLocally(test, state, index)
    const key = stateText(state)
    if (seen.has(key)) continue
    seen.add(key)
    if (seen.size > STATES_MAX) throw new TooManyStates(`${test.name} has more than ${STATES_MAX} states`)
    let isOver = true
    for (const [index, thread] of state.threads.entries()) {
      const instruction = test.threads[index]?.instructions[thread.pc]
      if (instruction === undefined) continue
      isOver = false
      for (const choice of instruction.kind === "sc" ? [true, false] : [true]) {
        const next = copy(state)
        if (access(next, index, { instruction, succeeds: choice })) pending.push(next)
      }
    }
    if (isOver)
      outcomes.add(
        outcomeText(test, {
          register: (thread, register) => state.threads[thread]?.registers[register] ?? 0n,
          variable: (index, bytes) => read(state.memory, index * SLOT_BYTES, bytes),
        }),
      )
  }
  return outcomes
}

/** What is looked at, in one line: equal for equal outcomes. Variables by their place in `test.variables`. */
export function outcomeText(
  test: LitmusTest,
  final: { readonly register: (thread: number, register: number) => bigint; readonly variable: (index: number, bytes: number) => bigint },
): string {
  return [
    ...test.observed.map(({ thread, register }) => `${thread}:x${register}=0x${final.register(thread, register).toString(16)}`),
    ...test.variables.map(({ name, bytes }, index) => `${name}=0x${final.variable(index, bytes).toString(16)}`),
  ].join(" ")
}

function initialState(test: LitmusTest): State {
  const memory = new Uint8Array(Math.max(1, test.variables.length) * SLOT_BYTES)
  test.variables.forEach(({ bytes, value }, index) => {
    write(memory, { at: index * SLOT_BYTES, width: bytes }, value)
  })
  const threads = test.threads.map(({ registers }) => {
    const values = new Array<bigint>(32).fill(0n)
    for (const [register, value] of registers)
      values[register] = BigInt.asUintN(
        64,
        typeof value === "bigint" ? value : BigInt(test.variables.findIndex(({ name }) => name === value) * SLOT_BYTES),
      )
    return { pc: 0, registers: values, reservation: null }
  })
  return { threads, memory }
}

function copy({ threads, memory }: State): State {
  return { threads: threads.map((thread) => ({ ...thread, registers: [...thread.registers] })), memory: memory.slice() }
}

function stateText({ threads, memory }: State): string {
  return `${threads.map(({ pc, registers, reservation }) => `${pc} ${registers.join(",")} ${reservation === null ? "-" : `${reservation.at}+${reservation.width}`}`).join("|")}|${memory.join(",")}`
}

function runLocally(test: LitmusTest, { threads }: State, index: number): void {
  const thread = threads[index]
  if (thread === undefined) return
  for (let steps = 0; ; steps++) {
    if (steps > LOCAL_STEPS_MAX) throw new TooManyStates(`thread ${index} of ${test.name} does not end`)
    const instruction = test.threads[index]?.instructions[thread.pc]
    if (instruction === undefined) return
    if (instruction.kind === "fence") thread.pc += 1
    else if (instruction.kind === "compute") {
      const { name, rd, left, right } = instruction
      const { operation } = instructionNamed(name)
      const b = typeof right === "number" ? (thread.registers[right] ?? 0n) : BigInt.asUintN(64, right)
      if (operation.kind === "alu") set(thread, rd, operation.compute(thread.registers[left] ?? 0n, b))
      thread.pc += 1
    } else if (instruction.kind === "branch") {
      const { operation } = instructionNamed(instruction.name)
      const taken =
        operation.kind === "branch" && operation.taken(thread.registers[instruction.left] ?? 0n, thread.registers[instruction.right] ?? 0n)
      thread.pc = taken ? instruction.target : thread.pc + 1
    } else return
  }
}

function set({ registers }: ThreadState, register: number, value: bigint): void {
  if (register !== 0) registers[register] = BigInt.asUintN(64, value)
}

/** False: this cannot happen now (an SC that would succeed without its reservation). */
function access(
  { threads, memory }: State,
  index: number,
  { instruction, succeeds }: { readonly instruction: LitmusInstruction; readonly succeeds: boolean },
): boolean {
  const thread = threads[index]
  if (thread === undefined || instruction.kind === "fence" || instruction.kind === "compute" || instruction.kind === "branch") return false
  const { width } = instruction
  const at = Number(
    BigInt.asUintN(64, (thread.registers[instruction.base] ?? 0n) + BigInt("offset" in instruction ? instruction.offset : 0)),
  )
  thread.pc += 1
  const store = (value: bigint): void => {
    write(memory, { at, width }, value)
    threads.forEach((other, number) => {
      const { reservation } = other
      if (number !== index && reservation !== null && at < reservation.at + reservation.width && at + width > reservation.at)
        other.reservation = null
    })
  }
  const value = "value" in instruction ? (thread.registers[instruction.value] ?? 0n) : 0n
  switch (instruction.kind) {
    case "load":
      set(thread, instruction.rd, instruction.signed ? BigInt.asIntN(width * 8, read(memory, at, width)) : read(memory, at, width))
      return true
    case "lr":
      thread.reservation = { at, width }
      set(thread, instruction.rd, BigInt.asIntN(width * 8, read(memory, at, width)))
      return true
    case "store":
      store(value)
      return true
    case "sc": {
      const { reservation } = thread
      thread.reservation = null
      if (succeeds && (reservation === null || at < reservation.at || at + width > reservation.at + reservation.width)) return false
      if (succeeds) store(value)
      set(thread, instruction.rd, succeeds ? 0n : 1n)
      return true
    }
    case "amo": {
      const found = BigInt.asIntN(width * 8, read(memory, at, width))
      const { operation } = instructionNamed(instruction.name)
      if (operation.kind === "amo") store(operation.combine(found, BigInt.asIntN(width * 8, value)))
      set(thread, instruction.rd, found)
      return true
    }
  }
}

function read(memory: Uint8Array, at: number, width: number): bigint {
  let value = 0n
  for (let index = width - 1; index >= 0; index--) value = (value << 8n) | BigInt(memory[at + index] ?? 0)
  return value
}

function write(memory: Uint8Array, { at, width }: { readonly at: number; readonly width: number }, value: bigint): void {
  let rest = BigInt.asUintN(width * 8, value)
  for (let index = 0; index < width; index++, rest >>= 8n) memory[at + index] = Number(rest & 0xffn)
}
