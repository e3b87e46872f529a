/**
 * The save area of a refill: two registers that the hart puts into memory on entry to the handler, so that it needs no CSR to begin.
 * trap/vmm/software-tlb.md, "The save area". The registers and the memory are the caller's.
 */
import { Slot, type CsrFile } from "./csr-file.ts"
import { permitted, type PmpRange } from "./pmp.ts"
import { isTlbCause } from "./tlb-translation.ts"
import type { Trap } from "./trap.ts"

export const FRAME_BYTES = 16
const SUPERVISOR = 1n
/** x30 and x31. */
export const T5 = 30
export const T6 = 31

export interface FramePort {
  /** Is all of it RAM? */
  isMemory(address: bigint, bytes: number): boolean
  writeMemory(address: bigint, data: Uint8Array): void
  register(index: number): bigint
}

/** After `enterTrap`: what t5 and t6 become, their old values being in the frame; null if they stay. */
export function saveInFrame(
  file: CsrFile,
  { trap, protection, port }: { readonly trap: Trap; readonly protection: readonly PmpRange[]; readonly port: FramePort },
): { readonly t5: bigint; readonly t6: bigint } | null {
  const frame = file.tlb?.frame ?? 0n
  if (frame === 0n || trap.interrupt || !isTlbCause(trap.cause) || file.get(Slot.privilege) !== SUPERVISOR) return null
  if (!port.isMemory(frame, FRAME_BYTES)) return null
  if (!permitted(protection, { address: frame, bytes: FRAME_BYTES, access: "write", privilege: 1 })) return null
  const bytes = new Uint8Array(FRAME_BYTES)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, port.register(T5), true)
  view.setBigUint64(8, port.register(T6), true)
  port.writeMemory(frame, bytes)
  return { t5: trap.value, t6: frame }
}
