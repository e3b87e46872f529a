/**
 * A generated program as a static Linux ELF that also runs in the bare engine, at the same addresses: prologue loads all registers,
 * the program repeats, the epilogue saves all registers behind the data and writes data and registers to standard output.
 */
import { encode } from "@backplane/compute-riscv/encode"
import { DATA_BYTES, generateProgram, randomValue } from "@backplane/compute-riscv/generate"
import { RAM_BASE } from "@backplane/compute-contract/engine"
import type { ProgramShape } from "@backplane/compute-riscv/generate"
import type { Random } from "@backplane/foundation-base/random"

export const IMAGE_BYTES = 0x20000
const CODE_OFFSET = 0x1000
const DATA_OFFSET = 0x18000
/** Behind the data: x0…x31, then the loop counter. */
const SAVE_OFFSET = DATA_OFFSET + DATA_BYTES
const COUNTER = 256
export const DUMP_BYTES = DATA_BYTES + 264
export const DUMP_ADDRESS = RAM_BASE + BigInt(DATA_OFFSET)

const SP = 2
const ELF_HEADER_BYTES = 64
const WRITE = 64
const EXIT = 93

export interface UserImage {
  /** From RAM_BASE. */
  readonly memory: Uint8Array
  readonly entry: bigint
}

export function makeUserImage(random: Random, shape: ProgramShape & { readonly rounds: number }): UserImage {
  const memory = new Uint8Array(IMAGE_BYTES)
  const view = new DataView(memory.buffer)
  for (let index = 0; index < DATA_BYTES; index++) memory[DATA_OFFSET + index] = random.below(256)
  for (let register = 1; register < 32; register++) view.setBigUint64(SAVE_OFFSET + 8 * register, randomValue(random), true)
  view.setBigUint64(SAVE_OFFSET + COUNTER, BigInt(shape.rounds), true)

  const program = [...generateProgram(random, shape)]
  while (program.length % 4 !== 0) program.push(0x01, 0x00) // c.nop
  const start = prologue()
  const programAt = CODE_OFFSET + 4 * start.length
  const end = epilogue(program.length)
  put(memory, CODE_OFFSET, start)
  memory.set(program, programAt)
  put(memory, programAt + program.length, end)
  return { memory, entry: RAM_BASE + BigInt(CODE_OFFSET) }
}

function put(memory: Uint8Array, at: number, instructions: readonly number[]): void {
  memory.set(new Uint8Array(Uint32Array.from(instructions).buffer), at)
}

/** `register` = RAM_BASE + offset, wherever the code lies. */
function address(register: number, offset: number): readonly number[] {
  const low = (offset << 20) >> 20
  return [
    encode("addi", { rd: register, rs1: 0, immediate: 1 }),
    encode("slli", { rd: register, rs1: register, immediate: 31 }),
    encode("lui", { rd: 1, immediate: offset - low }),
    encode("add", { rd: register, rs1: register, rs2: 1 }),
    encode("addi", { rd: register, rs1: register, immediate: low }),
  ]
}

function prologue(): readonly number[] {
  const loads = Array.from({ length: 31 }, (_, index) => index + 1).filter((register) => register !== SP && register !== 8)
  const middle = DATA_OFFSET + DATA_BYTES / 2
  return [
    ...address(SP, SAVE_OFFSET),
    ...loads.map((register) => encode("ld", { rd: register, rs1: SP, immediate: 8 * register })),
    ...address(8, middle),
    ...address(SP, middle + 64),
    encode("ld", { rd: 1, rs1: SP, immediate: 0 }),
  ]
}

/** Goes back until the counter is 0, then saves, writes and ends. Only sp is known here. */
function epilogue(programBytes: number): readonly number[] {
  const toSave = DATA_BYTES / 2 - 64
  const half = toSave / 2
  const up = [
    encode("addi", { rd: SP, rs1: SP, immediate: half }),
    encode("addi", { rd: SP, rs1: SP, immediate: toSave - half - 2000 }),
    encode("addi", { rd: SP, rs1: SP, immediate: 2000 }),
  ]
  const down = [
    encode("addi", { rd: SP, rs1: SP, immediate: -half }),
    encode("addi", { rd: SP, rs1: SP, immediate: 2000 + half - toSave }),
    encode("addi", { rd: SP, rs1: SP, immediate: -2000 }),
  ]
  const count = [
    ...up,
    encode("sd", { rs1: SP, rs2: 5, immediate: 8 * 5 }),
    encode("ld", { rd: 5, rs1: SP, immediate: COUNTER }),
    encode("addi", { rd: 5, rs1: 5, immediate: -1 }),
    encode("sd", { rs1: SP, rs2: 5, immediate: COUNTER }),
  ]
  const again = (distance: number): readonly number[] => [
    encode("beq", { rs1: 5, rs2: 0, immediate: 4 * (3 + down.length) }),
    encode("ld", { rd: 5, rs1: SP, immediate: 8 * 5 }),
    ...down,
    encode("jal", { rd: 0, immediate: distance }),
  ]
  const before = count.length + again(0).length - 1
  const saves = Array.from({ length: 31 }, (_, index) => index + 1).filter((register) => register !== 5)
  return [
    ...count,
    ...again(-(programBytes + 4 * before)),
    ...saves.map((register) => encode("sd", { rs1: SP, rs2: register, immediate: 8 * register })),
    ...address(11, DATA_OFFSET),
    encode("addi", { rd: 12, rs1: 0, immediate: 1 }),
    encode("slli", { rd: 12, rs1: 12, immediate: 13 }),
    encode("addi", { rd: 12, rs1: 12, immediate: DUMP_BYTES - DATA_BYTES }),
    encode("addi", { rd: 10, rs1: 0, immediate: 1 }),
    encode("addi", { rd: 17, rs1: 0, immediate: WRITE }),
    encode("ecall"),
    encode("addi", { rd: 10, rs1: 0, immediate: 0 }),
    encode("addi", { rd: 17, rs1: 0, immediate: EXIT }),
    encode("ecall"),
  ]
}

/** ELF64, little-endian, RISC-V, one segment. ELF specification 1.2 and the RISC-V psABI. */
export function elfOf(image: UserImage): Uint8Array {
  const headers = 0x1000
  const file = new Uint8Array(headers + image.memory.length)
  const view = new DataView(file.buffer)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  view.setUint16(16, 2, true) // executable
  view.setUint16(18, 243, true) // RISC-V
  view.setUint32(20, 1, true)
  view.setBigUint64(24, image.entry, true)
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true)
  view.setUint32(48, 1, true) // flags: RVC
  view.setUint16(52, ELF_HEADER_BYTES, true)
  view.setUint16(54, 56, true)
  view.setUint16(56, 1, true)
  const program = ELF_HEADER_BYTES
  view.setUint32(program, 1, true) // PT_LOAD
  view.setUint32(program + 4, 7, true) // RWX
  view.setBigUint64(program + 8, BigInt(headers), true)
  view.setBigUint64(program + 16, RAM_BASE, true)
  view.setBigUint64(program + 24, RAM_BASE, true)
  view.setBigUint64(program + 32, BigInt(image.memory.length), true)
  view.setBigUint64(program + 40, BigInt(image.memory.length), true)
  view.setBigUint64(program + 48, 0x1000n, true)
  file.set(image.memory, headers)
  return file
}
