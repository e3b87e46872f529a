/**
 * Writing decoded records: u8 operation, u8 where to write (from x1: byte offset less 8, so that x0 becomes the sink), u8 and u8 where
 * to read, i32 immediate. Chooses the cheaper operation where operands allow.
 */
import {
  OP_ADD_2, OP_ADD_4, OP_ADDI_2, OP_ADDI_4, OP_BNE_LOCAL_4, OP_BNE_LOOP_4, OP_J_FAR_2, OP_J_FAR_4, OP_J_LOCAL_2, OP_J_LOCAL_4, OP_JAL_FAR_4, OP_JAL_LOCAL_4, OP_JALR_2, OP_JALR_4,
  OP_JR_2, OP_JR_4, OP_LI_2, OP_LI_4, OP_MV_2, OP_MV_4, OP_NOP_2, OP_NOP_4,
} from "./operations" // prettier-ignore
import { TIMED } from "./fidelity"

/** Bytes back to the head of a loop that fills (6 or 8) or copies (12 to 16), compressed steps or not (bulk.ts). */
const LOOP_LEAST: i32 = -16
const LOOP_MOST: i32 = -6

/** The page offset of an instruction outside its page: no branch of it is local. */
export const NOWHERE: u32 = 0x8000_0000

export function put(record: u32, operation: u32, rd: u32, rs1: u32, rs2: u32, immediate: i32): void {
  store<u8>(record, operation)
  store<u8>(record, ((rd - 1) & 31) << 3, 1)
  store<u8>(record, rs1 << 3, 2)
  store<u8>(record, rs2 << 3, 3)
  store<i32>(record, immediate, 4)
}

function nop(record: u32, length: u32): void {
  store<u8>(record, length == 2 ? OP_NOP_2 : OP_NOP_4)
}

/** Without an effect when rd is x0. */
export function putAlu(record: u32, length: u32, operation: u32, rd: u32, rs1: u32, rs2: u32, immediate: i32): void {
  if (rd == 0) nop(record, length)
  else put(record, operation, rd, rs1, rs2, immediate)
}

export function putAddImmediate(record: u32, length: u32, rd: u32, rs1: u32, immediate: i32): void {
  if (rs1 == 0) putAlu(record, length, length == 2 ? OP_LI_2 : OP_LI_4, rd, 0, 0, immediate)
  else if (immediate == 0) putAlu(record, length, length == 2 ? OP_MV_2 : OP_MV_4, rd, rs1, 0, 0)
  else putAlu(record, length, length == 2 ? OP_ADDI_2 : OP_ADDI_4, rd, rs1, 0, immediate)
}

export function putAdd(record: u32, length: u32, rd: u32, rs1: u32, rs2: u32): void {
  if (rs1 == 0) putAlu(record, length, length == 2 ? OP_MV_2 : OP_MV_4, rd, rs2, 0, 0)
  else putAlu(record, length, length == 2 ? OP_ADD_2 : OP_ADD_4, rd, rs1, rs2, 0)
}

export function putLoadImmediate(record: u32, length: u32, rd: u32, immediate: i32): void {
  putAlu(record, length, length == 2 ? OP_LI_2 : OP_LI_4, rd, 0, 0, immediate)
}

/** A local branch or jump stays in its page: its immediate is then the distance in records. */
function isLocal(offset: u32, immediate: i32): bool {
  return offset != NOWHERE && u32(i32(offset) + immediate) < 4096
}

export function putBranch(record: u32, operationLocal: u32, operationFar: u32, rs1: u32, rs2: u32, immediate: i32, offset: u32): void {
  if (isLocal(offset, immediate)) put(record, loopOr(operationLocal, immediate), 0, rs1, rs2, immediate << 2)
  else put(record, operationFar, 0, rs1, rs2, immediate)
}

function loopOr(operation: u32, immediate: i32): u32 {
  return !TIMED && operation == OP_BNE_LOCAL_4 && immediate >= LOOP_LEAST && immediate <= LOOP_MOST ? OP_BNE_LOOP_4 : operation
}

export function putJump(record: u32, length: u32, rd: u32, immediate: i32, offset: u32): void {
  const local = isLocal(offset, immediate)
  const distance = local ? immediate << 2 : immediate
  if (rd != 0) put(record, local ? OP_JAL_LOCAL_4 : OP_JAL_FAR_4, rd, 0, 0, distance)
  else if (length == 2) put(record, local ? OP_J_LOCAL_2 : OP_J_FAR_2, 0, 0, 0, distance)
  else put(record, local ? OP_J_LOCAL_4 : OP_J_FAR_4, 0, 0, 0, distance)
}

export function putJumpRegister(record: u32, length: u32, rd: u32, rs1: u32, immediate: i32): void {
  if (rd == 0) put(record, length == 2 ? OP_JR_2 : OP_JR_4, 0, rs1, 0, immediate)
  else put(record, length == 2 ? OP_JALR_2 : OP_JALR_4, rd, rs1, 0, immediate)
}
