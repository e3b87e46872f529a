/**
 * A board as plain data, and back: what goes on the wire when a guest moves, and what a state hash is made of.
 *
 * A capture is complete: on an engine of the same shape the run goes on exactly as it would have. What can be computed anew is left out
 * (look-up TLB, decoded code, interrupt lines of the PLIC). One thing is not preserved: translations that the guest has changed without
 * `sfence.vma` and that the look-up TLB still knew; such a guest may see the new ones earlier, which the architecture allows.
 */
import { assert } from "@backplane/foundation-base/assert"
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
// Types only from guest-state: its schemas would triple the start of whoever only runs a guest.
import type { BoardCapture, DevicesRecord, HartRecord } from "@backplane/compute-contract/guest-state"
import { PAGE_BYTES, RAM_BASE, type Engine } from "@backplane/compute-contract/engine"
import type { HartCapture } from "./hart.ts"
import type { HtifState } from "./htif-service.ts"
import type { DevicesState } from "./wiring.ts"

/** All of a board but its memory. */
export interface BoardState {
  readonly start: "machine" | "supervisor"
  readonly htif: HtifState | null
  readonly harts: readonly HartCapture[]
  readonly devices: DevicesState
  readonly uartUsed: boolean
  readonly console: { readonly input: Uint8Array; readonly output: Uint8Array }
  readonly passed: number
  readonly turn: number
  readonly windowLeft: number
  readonly instructions: number
  readonly exits: readonly (readonly [name: string, count: number])[]
}

/** Pages that are read from the engine at once. */
const CHUNK_PAGES = 64

/** Calls `visit` with every page of RAM that is not all zero. The bytes are good until it returns. */
export function forEachPage(engine: Engine, visit: (page: number, bytes: Uint8Array) => void): void {
  const { memoryBytes } = engine.options
  for (let at = 0; at < memoryBytes; at += CHUNK_PAGES * PAGE_BYTES) {
    const chunk = engine.readMemory(RAM_BASE + BigInt(at), Math.min(CHUNK_PAGES * PAGE_BYTES, memoryBytes - at))
    const words = new BigUint64Array(chunk.buffer, chunk.byteOffset, chunk.length / 8)
    for (let from = 0; from < chunk.length; from += PAGE_BYTES) {
      if (words.subarray(from / 8, (from + PAGE_BYTES) / 8).some((word) => word !== 0n))
        visit((at + from) / PAGE_BYTES, chunk.subarray(from, from + PAGE_BYTES))
    }
  }
}

export function captureOf(engine: Engine, state: BoardState): BoardCapture {
  const pages: [number, string][] = []
  forEachPage(engine, (page, bytes) => pages.push([page, encodeBase64(bytes)]))
  return { memoryBytes: engine.options.memoryBytes, ...recordOf(state), pages }
}

/** A capture without the memory: small, and all of it text and numbers. */
export function recordOf(state: BoardState): Omit<BoardCapture, "memoryBytes" | "pages"> {
  const { start, htif, harts, devices, uartUsed, console, passed, turn, windowLeft, instructions, exits } = state
  return {
    start,
    htif: htif === null ? null : { ...htif, tohost: hex(htif.tohost), fromhost: htif.fromhost === undefined ? null : hex(htif.fromhost) },
    harts: harts.map(hartRecordOf),
    devices: devicesRecordOf(devices, uartUsed),
    console: { input: encodeBase64(console.input), output: encodeBase64(console.output) },
    passed,
    turn,
    windowLeft,
    instructions,
    exits: exits.map(([name, count]) => [name, count]),
  }
}

export function devicesRecordOf({ clint, plic, uart }: DevicesState, uartUsed: boolean): DevicesRecord {
  return {
    clint: { software: [...clint.software], compare: clint.compare.map(hex), shift: hex(clint.shift) },
    plic: {
      priority: [...plic.priority],
      pending: [...plic.pending],
      claimed: [...plic.claimed],
      enabled: plic.enabled.map((words) => [...words]),
      threshold: [...plic.threshold],
    },
    uart: { ...uart, received: [...uart.received] },
    uartUsed,
  }
}

export function devicesOf({ clint, plic, uart }: DevicesRecord): DevicesState {
  return { clint: { software: clint.software, compare: clint.compare.map(BigInt), shift: BigInt(clint.shift) }, plic, uart }
}

export function stateOf(capture: BoardCapture): BoardState {
  const { start, htif, harts, devices, console, passed, turn, windowLeft, instructions, exits } = capture
  return {
    start,
    htif:
      htif === null ? null : { ...htif, tohost: BigInt(htif.tohost), fromhost: htif.fromhost === null ? undefined : BigInt(htif.fromhost) },
    harts: harts.map(hartCaptureOf),
    devices: devicesOf(devices),
    uartUsed: devices.uartUsed,
    console: { input: decodeBase64(console.input), output: decodeBase64(console.output) },
    passed,
    turn,
    windowLeft,
    instructions,
    exits,
  }
}

/** Puts the pages of a capture into memory that is all zero. */
export function loadPages(engine: Engine, { memoryBytes, pages }: BoardCapture): void {
  assert(engine.options.memoryBytes === memoryBytes, "a capture goes on with as much memory as it had")
  for (const [page, text] of pages) engine.writeMemory(RAM_BASE + BigInt(page) * BigInt(PAGE_BYTES), decodeBase64(text))
}

function hartRecordOf(hart: HartCapture): HartRecord {
  const { cpu, csrs, resume, reservation, ...rest } = hart
  return {
    ...rest,
    registers: cpu.registers.map(hex),
    pc: hex(cpu.pc),
    instret: hex(cpu.instret),
    reservation: reservation === null ? null : hex(reservation),
    csrs: csrs.map(hex),
    resume: resume === null ? null : { pc: hex(resume.pc), opaque: hex(resume.opaque) },
  }
}

function hartCaptureOf(record: HartRecord): HartCapture {
  const { registers, pc, instret, csrs, reservation, resume, ...rest } = record
  return {
    ...rest,
    cpu: { registers: registers.map(BigInt), pc: BigInt(pc), instret: BigInt(instret) },
    csrs: csrs.map(BigInt),
    reservation: reservation === null ? null : BigInt(reservation),
    resume: resume === null ? null : { pc: BigInt(resume.pc), opaque: BigInt(resume.opaque) },
  }
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}
