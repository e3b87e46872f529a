/**
 * Two CPUs of one memory in random short slices, in an engine and in the reference: LR/SC, AMOs and plain accesses to the same data.
 * The first difference, or none. What compare.ts is for one CPU.
 */
import { defined } from "@backplane/foundation-base/assert"
import { Random } from "@backplane/foundation-base/random"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { generateProgram, randomValue } from "@backplane/compute-riscv/generate"
import { ReferenceCpu, Reservations } from "@backplane/compute-riscv/reference"
import type { Engine } from "@backplane/compute-contract/engine"

export const INTERLEAVE_MEMORY_BYTES = 65536
const CODE_OFFSETS = [0x1000, 0x4000] as const
/** Both pointers of both CPUs lie in one line or its neighbour, so that reservations meet stores. */
const DATA_OFFSET = 0x9000
const SLICES_MAX = 100_000
const EBREAK = [0x73, 0x00, 0x10, 0x00]

/** `engine` has two CPUs and INTERLEAVE_MEMORY_BYTES. */
export function firstInterleavedDifference(engine: Engine, seed: string): string | undefined {
  const random = new Random(seed)
  const memory = new Uint8Array(INTERLEAVE_MEMORY_BYTES)
  for (const offset of CODE_OFFSETS)
    memory.set([...generateProgram(random, { extensions: ["A", "I"], instructions: 300 }), ...EBREAK], offset)
  engine.writeMemory(RAM_BASE, memory)
  const reservations = new Reservations()
  const shared = { base: RAM_BASE, bytes: memory.slice() }
  const references = CODE_OFFSETS.map((offset, cpu) => {
    const reference = new ReferenceCpu(shared, reservations, cpu)
    for (let register = 1; register < 32; register++) reference.registers[register] = randomValue(random)
    reference.registers[8] = RAM_BASE + BigInt(DATA_OFFSET)
    reference.registers[2] = RAM_BASE + BigInt(DATA_OFFSET + 64 * random.below(2))
    reference.pc = RAM_BASE + BigInt(offset)
    engine.restoreCpu(cpu, { registers: reference.registers, pc: reference.pc, instret: 0n })
    return reference
  })
  return interleave(engine, references, random) ?? sameMemory(engine, shared.bytes)
}

function interleave(engine: Engine, references: readonly ReferenceCpu[], random: Random): string | undefined {
  const running = new Set(references.keys())
  for (let slice = 0; slice < SLICES_MAX && running.size > 0; slice++) {
    const cpu = random.pick([...running])
    const reference = defined(references[cpu], "a running CPU has a reference")
    const exit = engine.run(cpu, random.between(1, 6))
    for (let step = 0; step < exit.retired; step++) reference.step()
    if (exit.pc !== reference.pc) return `cpu ${cpu}: pc is ${exit.pc.toString(16)}, not ${reference.pc.toString(16)}`
    const register = reference.registers.findIndex((value, index) => engine.readRegister(cpu, index) !== value)
    if (register !== -1) return `cpu ${cpu}: x${register} differs before ${exit.pc.toString(16)}`
    if (exit.kind !== "budget") running.delete(cpu)
  }
  return undefined
}

function sameMemory(engine: Engine, expected: Uint8Array): string | undefined {
  const at = engine.readMemory(RAM_BASE, INTERLEAVE_MEMORY_BYTES).findIndex((byte, index) => byte !== expected[index])
  return at === -1 ? undefined : `memory differs at offset 0x${at.toString(16)}`
}
