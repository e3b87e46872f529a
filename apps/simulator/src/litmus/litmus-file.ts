/**
 * The `.litmus` text format of the RISC-V memory model's test suites: initial values, a program of several threads in columns, a condition.
 *
 * Format of the herd tools ("herding cats", Alglave, Maranget and Tautschnig 2014), as far as RISC-V tests use it. Not here: what an
 * instruction does (litmus-instruction.ts), what outcomes there are (sc-outcomes.ts).
 */
import { parseCondition, type Condition } from "./condition.ts"
import { parseInstruction, registerNumber, type LitmusInstruction } from "./litmus-instruction.ts"

export interface LitmusVariable {
  readonly name: string
  readonly bytes: 1 | 2 | 4 | 8
  readonly value: bigint
}

export interface LitmusThread {
  readonly instructions: readonly LitmusInstruction[]
  /** Initial registers: a number, or the address of a variable. */
  readonly registers: ReadonlyMap<number, bigint | string>
}

export interface LitmusTest {
  readonly name: string
  readonly variables: readonly LitmusVariable[]
  readonly threads: readonly LitmusThread[]
  readonly quantifier: "exists" | "forall" | "~exists"
  readonly condition: Condition
  /** What of the final state is looked at: registers as `thread:number`, and all variables. */
  readonly observed: readonly { readonly thread: number; readonly register: number }[]
}

/** The file is not what it should be; `line` counts from 1, 0 where it is the whole. */
export class LitmusError extends Error {
  override readonly name = "LitmusError"
  readonly line: number

  constructor(message: string, line = 0) {
    super(line === 0 ? message : `line ${line}: ${message}`)
    this.line = line
  }
}

const SIZES: Readonly<Record<string, LitmusVariable["bytes"]>> = { "8": 1, "16": 2, "32": 4, "64": 8 }

export function parseLitmus(source: string): LitmusTest {
  const text = source.replace(/\(\*[\s\S]*?\*\)/g, (comment) => comment.replace(/[^\n]/g, " "))
  const header = /^\s*(\S+)\s+(\S+)/.exec(text)
  if (header === null) throw new LitmusError("the first line names the architecture and the test", 1)
  if (header[1] !== "RISCV") throw new LitmusError(`the architecture is RISCV, not ${header[1] ?? ""}`, 1)
  const open = text.indexOf("{")
  const close = text.indexOf("}", open)
  if (open < 0 || close < 0) throw new LitmusError("initial values are in braces")
  const lineOf = (at: number): number => text.slice(0, at).split("\n").length
  const found = /^\s*(?:(?:locations\s*\[[^\]]*\]|filter[^\n]*)\s*)*(~?\s*exists|forall)\b/m.exec(text.slice(close))
  if (found === null) throw new LitmusError("there is no condition: exists, ~exists or forall")
  const conditionAt = close + found.index
  const tail = text.slice(conditionAt)
  const quantifier = (found[1] ?? "exists").replace(/\s/g, "") as LitmusTest["quantifier"]
  const condition = conditionOf(tail.slice(tail.indexOf(found[1] ?? "") + (found[1] ?? "").length), lineOf(conditionAt))
  const initial = parseInitial(text.slice(open + 1, close), lineOf(open))
  const columns = parseProgram(text.slice(close + 1, conditionAt), lineOf(close))
  const observed = new Map<string, { thread: number; register: number }>()
  for (const [, thread = "", name = ""] of tail.matchAll(/(\d+):([a-z]\w*)/g)) {
    const register = registerNumber(name)
    if (register !== null) observed.set(`${thread}:${register}`, { thread: Number(thread), register })
  }
  const variables = new Map(initial.variables)
  const mention = (name: string): void => {
    if (!variables.has(name)) variables.set(name, { name, bytes: 4, value: 0n })
  }
  for (const { value } of initial.registers) if (typeof value === "string") mention(value)
  for (const name of condition.variables) mention(name)
  return {
    name: header[2] ?? "",
    variables: [...variables.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    threads: columns.map((instructions, thread) => ({
      instructions,
      registers: new Map(initial.registers.filter((each) => each.thread === thread).map(({ register, value }) => [register, value])),
    })),
    quantifier,
    condition,
    observed: [...observed.values()],
  }
}

function conditionOf(text: string, line: number): Condition {
  try {
    return parseCondition(text)
  } catch (error) {
    throw new LitmusError(error instanceof Error ? error.message : String(error), line)
  }
}

interface Initial {
  readonly variables: ReadonlyMap<string, LitmusVariable>
  readonly registers: readonly { readonly thread: number; readonly register: number; readonly value: bigint | string }[]
}

function parseInitial(text: string, line: number): Initial {
  const variables = new Map<string, LitmusVariable>()
  const registers: { thread: number; register: number; value: bigint | string }[] = []
  for (const entry of text.split(";").map((each) => each.trim())) {
    if (entry === "") continue
    // A declaration: the register begins with 0, as all do.
    if (/^u?int\d+_t\s+\d+:\w+$/.test(entry)) continue
    const register = /^(?:u?int\d+_t\s+)?(\d+):(\w+)\s*=\s*&?(\w+|-\d+)$/.exec(entry)
    if (register !== null) {
      const [, thread = "", name = "", value = ""] = register
      const number = registerNumber(name)
      if (number === null) throw new LitmusError(`there is no register ${name}`, line)
      registers.push({ thread: Number(thread), register: number, value: numberOf(value) ?? value })
      continue
    }
    const variable = /^(?:u?int(\d+)_t\s+|int\s+)?(?:\*\s*)?\[?([A-Za-z_]\w*)\]?(?:\s*=\s*(-?\w+))?$/.exec(entry)
    if (variable === null) throw new LitmusError(`not an initial value: ${entry}`, line)
    const [, bits = "32", name = "", value = "0"] = variable
    const bytes = SIZES[bits]
    const number = numberOf(value)
    if (bytes === undefined || number === null) throw new LitmusError(`not an initial value: ${entry}`, line)
    variables.set(name, { name, bytes, value: number })
  }
  return { variables, registers }
}

function numberOf(text: string): bigint | null {
  return /^-?(0x[0-9a-fA-F]+|\d+)$/.test(text) ? (text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text)) : null
}

function parseProgram(text: string, line: number): LitmusInstruction[][] {
  const rows = text.split(";").map((row) => row.split("|").map((cell) => cell.trim()))
  const head = rows.findIndex((row) => row[0] !== "" && row.every((cell) => /^P\d+$/.test(cell)))
  const threads = rows[head]?.length ?? 0
  if (head < 0) throw new LitmusError("the program begins with the names of its threads: P0 | P1 ;", line)
  return Array.from({ length: threads }, (_, thread) => {
    const instructions: LitmusInstruction[] = []
    const labels = new Map<string, number>()
    for (const row of rows.slice(head + 1)) {
      let cell = row[thread] ?? ""
      for (let label = /^(\w+):\s*/.exec(cell); label !== null; label = /^(\w+):\s*/.exec(cell)) {
        labels.set(label[1] ?? "", instructions.length)
        cell = cell.slice(label[0].length)
      }
      if (cell !== "") instructions.push(parseInstruction(cell, (message) => new LitmusError(message, line)))
    }
    return instructions.map((instruction) => {
      if (instruction.kind !== "branch") return instruction
      const target = labels.get(instruction.label)
      if (target === undefined) throw new LitmusError(`there is no label ${instruction.label}`, line)
      return { ...instruction, target }
    })
  })
}
