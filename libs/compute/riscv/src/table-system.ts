/** The SYSTEM opcode: names for the disassembler only. All of them leave the engine; trap/csr says what they do. */
import { OPCODE, byFunct3, byFunct7 } from "./instruction.ts"
import type { Extension, Instruction } from "./instruction.ts"
import type { FormatName } from "./format.ts"

const SYSTEM = { kind: "system" } as const

function whole(name: string, extension: Extension, raw: number): Instruction {
  return { name, extension, match: raw, mask: 0xffffffff, format: "none", operation: SYSTEM }
}

function csr(name: string, funct3: number, format: FormatName): Instruction {
  return { name, extension: "Zicsr", ...byFunct3(OPCODE.SYSTEM, funct3), format, operation: SYSTEM }
}

export const SYSTEM_INSTRUCTIONS: readonly Instruction[] = [
  whole("ecall", "I", 0x00000073),
  whole("ebreak", "I", 0x00100073),
  whole("sret", "privileged", 0x10200073),
  whole("mret", "privileged", 0x30200073),
  whole("wfi", "privileged", 0x10500073),
  {
    name: "sfence.vma",
    extension: "privileged",
    match: byFunct7(OPCODE.SYSTEM, 0, 9).match,
    mask: 0xfe007fff,
    format: "sfence",
    operation: SYSTEM,
  },
  csr("csrrw", 1, "csr"),
  csr("csrrs", 2, "csr"),
  csr("csrrc", 3, "csr"),
  csr("csrrwi", 5, "csri"),
  csr("csrrsi", 6, "csri"),
  csr("csrrci", 7, "csri"),
]
