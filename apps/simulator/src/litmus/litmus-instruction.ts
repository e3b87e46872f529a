/**
 * One instruction of a litmus test: as text, as what it does for the enumerator, and as bits for the engine.
 *
 * `lw.aq` and `sw.rl` (proposed load-acquire and store-release) are plain accesses here: everything is in order anyway.
 */
import { encode } from "@backplane/compute-riscv/encode"
import { REGISTER_NAMES } from "@backplane/compute-riscv/register-names"
import { instructionNamed } from "@backplane/compute-riscv/table"
import type { Width } from "@backplane/compute-riscv/instruction"

export type LitmusInstruction =
  /** `right`: a register's number, or a constant. */
  | { readonly kind: "compute"; readonly name: string; readonly rd: number; readonly left: number; readonly right: number | bigint }
  | {
      readonly kind: "load" | "lr"
      readonly name: string
      readonly width: Width
      readonly signed: boolean
      readonly rd: number
      readonly base: number
      readonly offset: number
    }
  | {
      readonly kind: "store"
      readonly name: string
      readonly width: Width
      readonly value: number
      readonly base: number
      readonly offset: number
    }
  | {
      readonly kind: "sc" | "amo"
      readonly name: string
      readonly width: 4 | 8
      readonly rd: number
      readonly value: number
      readonly base: number
    }
  /** `target`: index of the instruction in its thread. */
  | {
      readonly kind: "branch"
      readonly name: string
      readonly left: number
      readonly right: number
      readonly label: string
      readonly target: number
    }
  | { readonly kind: "fence" }

/** x0…x31 or a name of the calling convention; null for anything else. */
export function registerNumber(name: string): number | null {
  const plain = /^x([12]?\d|3[01])$/.exec(name)
  if (plain !== null) return Number(plain[1])
  const named = REGISTER_NAMES.indexOf(name === "fp" ? "s0" : name)
  return named < 0 ? null : named
}

type Fail = (message: string) => Error

export function parseInstruction(text: string, fail: Fail): LitmusInstruction {
  const [, mnemonic = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? []
  const operands = rest.split(",").map((operand) => operand.trim())
  const name = mnemonic.replace(/(\.aq)?(\.rl)?$/, "")
  const register = (index: number): number => {
    const number = registerNumber(operands[index] ?? "")
    if (number === null) throw fail(`${text}: operand ${index + 1} is no register`)
    return number
  }
  if (name === "fence" || name.startsWith("fence.")) return { kind: "fence" }
  if (name === "li") return compute("addi", { rd: register(0), left: 0, right: constant(operands[1], text, fail) })
  if (name === "mv") return compute("addi", { rd: register(0), left: register(1), right: 0n })
  if (name === "j") return branch("beq", { left: 0, right: 0, label: operands[0] ?? "" })
  if (name === "bnez" || name === "beqz") return branch(name.slice(0, 3), { left: register(0), right: 0, label: operands[1] ?? "" })
  const memory = (index: number): { base: number; offset: number } => {
    const [, offset = "0", base = ""] = /^(-?\w*)\((\w+)\)$/.exec(operands[index] ?? "") ?? []
    const number = registerNumber(base)
    if (number === null) throw fail(`${text}: operand ${index + 1} is no address`)
    return { base: number, offset: Number(offset === "" ? "0" : offset) }
  }
  const operation = known(name)?.operation
  switch (operation?.kind) {
    case "alu":
      return compute(name, {
        rd: register(0),
        left: register(1),
        right: name.endsWith("i") || name.endsWith("iw") ? constant(operands[2], text, fail) : register(2),
      })
    case "load":
      return { kind: "load", name, width: operation.width, signed: operation.signed, rd: register(0), ...memory(1) }
    case "store":
      return { kind: "store", name, width: operation.width, value: register(0), ...memory(1) }
    case "load-reserved":
      return { kind: "lr", name, width: operation.width, signed: true, rd: register(0), base: memory(1).base, offset: 0 }
    case "store-conditional":
      return { kind: "sc", name, width: operation.width, rd: register(0), value: register(1), base: memory(2).base }
    case "amo":
      return { kind: "amo", name, width: operation.width, rd: register(0), value: register(1), base: memory(2).base }
    case "branch":
      return branch(name, { left: register(0), right: register(1), label: operands[2] ?? "" })
    default:
      throw fail(`${text}: litmus tests here have loads, stores, atomics, fences, arithmetic and branches; not ${name}`)
  }
}

function known(name: string): ReturnType<typeof instructionNamed> | null {
  try {
    return instructionNamed(name)
  } catch {
    return null
  }
}

function constant(text: string | undefined, whole: string, fail: Fail): bigint {
  if (text === undefined || !/^-?(0x[0-9a-fA-F]+|\d+)$/.test(text)) throw fail(`${whole}: ${text ?? "nothing"} is no number`)
  return text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text)
}

function compute(
  name: string,
  { rd, left, right }: { readonly rd: number; readonly left: number; readonly right: number | bigint },
): LitmusInstruction {
  return { kind: "compute", name, rd, left, right }
}

function branch(
  name: string,
  { left, right, label }: { readonly left: number; readonly right: number; readonly label: string },
): LitmusInstruction {
  return { kind: "branch", name, left, right, label, target: -1 }
}

/** The bits, at position `index` of its thread. */
export function assemble(instruction: LitmusInstruction, index: number): number {
  switch (instruction.kind) {
    case "fence":
      return encode("fence", { rd: 0, rs1: 0, immediate: 0xff })
    case "compute": {
      const { name, rd, left, right } = instruction
      return typeof right === "number"
        ? encode(name, { rd, rs1: left, rs2: right })
        : encode(name, { rd, rs1: left, immediate: Number(right) })
    }
    case "load":
      return encode(instruction.name, { rd: instruction.rd, rs1: instruction.base, immediate: instruction.offset })
    case "lr":
      return encode(instruction.name, { rd: instruction.rd, rs1: instruction.base })
    case "store":
      return encode(instruction.name, { rs1: instruction.base, rs2: instruction.value, immediate: instruction.offset })
    case "sc":
    case "amo":
      return encode(instruction.name, { rd: instruction.rd, rs1: instruction.base, rs2: instruction.value })
    case "branch":
      return encode(instruction.name, { rs1: instruction.left, rs2: instruction.right, immediate: (instruction.target - index) * 4 })
  }
}
