/** An exit as people read it: names for causes, addresses in hexadecimal. */
import type { ExitRecord } from "@backplane/trap-vmm/exit-recorder"

/** Plain data, as an inspection shows it. */
export type ExitView = {
  readonly cause: string
  readonly pc: string
  /** Faulting address, where the cause has one. */
  readonly va: string
  /** Instructions that the vCPU had retired. */
  readonly instret: number
  /** The VM's own virtual cycles. */
  readonly time: number
  /** Virtual cycles from exit to re-entry. */
  readonly cycles: number
}

export function exitView({ cause, pcHigh, pcLow, vaHigh, vaLow, instret, time, duration }: ExitRecord): ExitView {
  return { cause: causeName(cause), pc: address(pcHigh, pcLow), va: address(vaHigh, vaLow), instret, time, cycles: duration }
}

const INTERRUPT = 2 ** 31
const NAMES: Readonly<Record<number, string>> = {
  1: "fetch-access",
  2: "illegal-instruction",
  3: "breakpoint",
  5: "load-access",
  7: "store-access",
  12: "fetch-page",
  13: "load-page",
  15: "store-page",
  64: "system",
  65: "io-load",
  66: "io-store",
  67: "watch",
  68: "tlb-miss",
  69: "stage-miss",
  70: "frame",
}

export function causeName(cause: number): string {
  if (cause >= INTERRUPT) return `interrupt-${cause - INTERRUPT}`
  return NAMES[cause] ?? `cause-${cause}`
}

/** By halves: a number would round a kernel's address to its page. */
export function address(high: number, low: number): string {
  return high === 0 ? `0x${low.toString(16)}` : `0x${high.toString(16)}${low.toString(16).padStart(8, "0")}`
}
