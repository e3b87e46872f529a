/**
 * One random program in an engine and in the reference of compute/riscv, step counts included: the first difference, or none.
 * For tests of this engine, of deliberately broken ones, and of the translator to come.
 */
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { DATA_BYTES, DATA_POINTERS, generateProgram, randomValue } from "@backplane/compute-riscv/generate"
import { ReferenceCpu, Reservations } from "@backplane/compute-riscv/reference"
import type { Engine, EngineExit } from "@backplane/compute-contract/engine"
import type { Extension } from "@backplane/compute-riscv/instruction"

export const COMPARE_MEMORY_BYTES = 65536
/** Somewhere inside a page, so that programs cross into the next, by a straddling instruction too. */
const CODE_OFFSET = 0xf00
const DATA_OFFSET = 0x8000
const EBREAK = [0x73, 0x00, 0x10, 0x00]
const STEPS_MAX = 100_000

export interface Comparison {
  readonly extensions: readonly Extension[]
  readonly instructions: number
  readonly seed: string
}

/** The image both run: code, random data, register values. */
interface Setting {
  readonly memory: Uint8Array
  readonly registers: readonly bigint[]
}

function makeSetting({ extensions, instructions, seed }: Comparison): Setting {
  const random = new Random(seed)
  const memory = new Uint8Array(COMPARE_MEMORY_BYTES)
  const offset = CODE_OFFSET + 2 * random.below(64)
  memory.set([...generateProgram(random, { extensions, instructions }), ...EBREAK], offset)
  for (let index = 0; index < DATA_BYTES; index++) memory[DATA_OFFSET + index] = random.below(256)
  const registers = Array.from({ length: 32 }, (_, register) => {
    if (register === 0) return RAM_BASE + BigInt(offset) // the place of pc: x0 cannot be set
    return DATA_POINTERS.includes(register)
      ? RAM_BASE + BigInt(DATA_OFFSET + DATA_BYTES / 2) + (register === 2 ? 64n : 0n)
      : randomValue(random)
  })
  return { memory, registers }
}

/** `undefined`: alike. The engine runs in slices of random budgets, so that stopping exactly is part of the law. */
export function firstDifference(engine: Engine, comparison: Comparison): string | undefined {
  const { memory, registers } = makeSetting(comparison)
  const reference = new ReferenceCpu({ base: RAM_BASE, bytes: memory.slice() }, new Reservations(), 0)
  engine.writeMemory(RAM_BASE, memory)
  engine.clearReservation(0)
  registers.forEach((value, index) => {
    if (index === 0) return
    reference.registers[index] = value
    engine.writeRegister(0, index, value)
  })
  reference.pc = registers[0] ?? 0n
  engine.writePc(0, reference.pc)
  const budgets = new Random(`${comparison.seed}/budgets`)
  for (let steps = 0; steps < STEPS_MAX;) {
    const budget = budgets.between(1, 40)
    const exit = engine.run(0, budget)
    steps += exit.retired
    const difference = follow(reference, exit, budget) ?? compareRegisters(engine, reference)
    if (difference !== undefined) return `${difference} (seed ${comparison.seed}, ${steps} instructions in)`
    if (exit.kind !== "budget") break
  }
  return compareMemory(engine, reference)
}

/** The reference does what the exit says was done. */
function follow(reference: ReferenceCpu, exit: EngineExit, budget: number): string | undefined {
  if (exit.kind === "budget" && exit.retired !== budget) return `retired ${exit.retired} of a budget of ${budget}`
  for (let step = 0; step < exit.retired; step++) {
    const stop = reference.step()
    if (stop !== undefined) return `the reference stops with ${stop.kind} at ${reference.pc.toString(16)}`
  }
  if (exit.pc !== reference.pc) return `pc is ${exit.pc.toString(16)}, not ${reference.pc.toString(16)}`
  if (exit.kind === "budget") return undefined
  const stop = reference.step()
  if (stop === undefined) return `the engine stops with ${exit.kind} at ${exit.pc.toString(16)}`
  if (stop.kind === "system" && exit.kind === "system")
    return stop.instruction === exit.instruction ? undefined : "another instruction left"
  if (stop.kind === "exception" && exit.kind === "exception")
    return stop.cause === exit.cause && stop.value === exit.value ? undefined : "another exception"
  if (stop.kind === "io" && (exit.kind === "io-load" || exit.kind === "io-store")) return undefined
  return `the engine stops with ${exit.kind}, the reference with ${stop.kind}`
}

function compareRegisters(engine: Engine, reference: ReferenceCpu): string | undefined {
  for (let index = 0; index < 32; index++) {
    const value = engine.readRegister(0, index)
    if (value !== reference.registers[index])
      return `x${index} is ${value.toString(16)}, not ${reference.registers[index]?.toString(16)} before ${reference.pc.toString(16)}`
  }
  return undefined
}

function compareMemory(engine: Engine, reference: ReferenceCpu): string | undefined {
  const bytes = engine.readMemory(RAM_BASE, COMPARE_MEMORY_BYTES)
  const other = reference.memory.bytes
  const at = bytes.findIndex((byte, index) => byte !== other[index])
  return at === -1 ? undefined : `memory differs at ${(RAM_BASE + BigInt(at)).toString(16)}`
}
