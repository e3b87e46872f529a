/**
 * Small programs whose harts share memory: what measures and shows placement of pages. Each begins at the start of RAM, with the hart's number
 * in a0 and how many there are in a1; page 0 is code, data begins at page 1; an `ecall` ends a hart.
 */
import { encode } from "./encode.ts"

export const SHARED_PROGRAMS = {
  read: "every hart reads all pages again and again: read-mostly, as text is",
  own: "every hart writes pages of its own again and again",
  count: "every hart adds to one counter: write-shared",
  balloon: "every hart writes pages of its own and gives back as many as it is asked to do without",
} as const
export type SharedProgram = keyof typeof SHARED_PROGRAMS

export interface SharedProgramOptions {
  /** Pages that a hart goes over. */
  readonly pages: number
  readonly rounds: number
}

const A0 = 10
const T0 = 5
const T1 = 6
const T2 = 7
const T3 = 28
const T4 = 29
const T5 = 30

/** Code as bytes. */
export function sharedProgram(program: SharedProgram, { pages, rounds }: SharedProgramOptions): Uint8Array {
  if (program === "balloon") return bytesOf(balloonProgram({ pages, rounds }))
  const body: readonly number[] =
    program === "count"
      ? [encode("amoadd.d", { rd: T2, rs1: T0, rs2: T1 })]
      : [
          encode("ld", { rd: T2, rs1: T0, immediate: 0 }),
          ...(program === "own"
            ? [encode("addi", { rd: T2, rs1: T2, immediate: 1 }), encode("sd", { rs1: T0, rs2: T2, immediate: 0 })]
            : []),
        ]
  const inner = [...body, encode("add", { rd: T0, rs1: T0, rs2: T4 }), encode("addi", { rd: T1, rs1: T1, immediate: -1 })]
  const round =
    program === "count"
      ? [...body]
      : [
          encode("addi", { rd: T0, rs1: T5, immediate: 0 }),
          ...load(T1, pages),
          ...inner,
          encode("bne", { rs1: T1, rs2: 0, immediate: -4 * inner.length }),
        ]
  const words = [
    ...load(T4, 4096),
    // RAM begins at 1 << 31; t5: the first page of the hart.
    encode("addi", { rd: T5, rs1: 0, immediate: 1 }),
    encode("slli", { rd: T5, rs1: T5, immediate: 31 }),
    encode("add", { rd: T5, rs1: T5, rs2: T4 }),
    ...(program === "own"
      ? [...load(T1, pages), encode("mul", { rd: T1, rs1: T1, rs2: A0 }), encode("mul", { rd: T1, rs1: T1, rs2: T4 })]
      : []),
    ...(program === "own" ? [encode("add", { rd: T5, rs1: T5, rs2: T1 })] : []),
    encode("addi", { rd: T0, rs1: T5, immediate: 0 }),
    encode("addi", { rd: T1, rs1: 0, immediate: 1 }),
    ...load(T3, rounds),
    ...round,
    encode("addi", { rd: T3, rs1: T3, immediate: -1 }),
    encode("bne", { rs1: T3, rs2: 0, immediate: -4 * (round.length + 1) }),
    encode("ld", { rd: A0, rs1: T5, immediate: 0 }),
    encode("ecall"),
  ]
  return bytesOf(words)
}

function bytesOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 4)
  words.forEach((word, index) => {
    new DataView(bytes.buffer).setUint32(index * 4, word, true)
  })
  return bytes
}

/**
 * A guest with a balloon: writes each of its pages once, then asks in each round how many it had better do without (call 1) and gives that many
 * back, the first ones first (call 2). It never takes one again; a0 at the end is how many it gave.
 */
function balloonProgram({ pages, rounds }: SharedProgramOptions): readonly number[] {
  const A7 = 17
  const fill = [
    encode("sd", { rs1: T0, rs2: T1, immediate: 0 }),
    encode("add", { rd: T0, rs1: T0, rs2: T4 }),
    encode("addi", { rd: T1, rs1: T1, immediate: -1 }),
  ]
  const ask = [encode("addi", { rd: A7, rs1: 0, immediate: 1 }), encode("ecall")]
  const give = [
    encode("add", { rd: A0, rs1: T5, rs2: T2 }),
    encode("addi", { rd: A7, rs1: 0, immediate: 2 }),
    encode("ecall"),
    encode("addi", { rd: T2, rs1: T2, immediate: 1 }),
  ]
  // To the end of the round where enough was given, or all.
  const enough = (left: number): number => encode("bgeu", { rs1: T2, rs2: A0, immediate: 4 * left })
  const all = (left: number): number => encode("bgeu", { rs1: T2, rs2: T1, immediate: 4 * left })
  const round = [...ask, enough(give.length + 2), all(give.length + 1), ...give]
  return [
    ...load(T4, 4096),
    // t5: number of the hart's first page; t0: its address; RAM begins at 1 << 31.
    ...load(T1, pages),
    encode("mul", { rd: T5, rs1: T1, rs2: A0 }),
    encode("addi", { rd: T5, rs1: T5, immediate: 1 }),
    encode("mul", { rd: T0, rs1: T5, rs2: T4 }),
    encode("addi", { rd: T2, rs1: 0, immediate: 1 }),
    encode("slli", { rd: T2, rs1: T2, immediate: 31 }),
    encode("add", { rd: T0, rs1: T0, rs2: T2 }),
    ...fill,
    encode("bne", { rs1: T1, rs2: 0, immediate: -4 * fill.length }),
    encode("addi", { rd: T2, rs1: 0, immediate: 0 }),
    ...load(T1, pages),
    ...load(T3, rounds),
    ...round,
    encode("addi", { rd: T3, rs1: T3, immediate: -1 }),
    encode("bne", { rs1: T3, rs2: 0, immediate: -4 * (round.length + 1) }),
    encode("addi", { rd: A0, rs1: T2, immediate: 0 }),
    encode("addi", { rd: A7, rs1: 0, immediate: 0 }),
    encode("ecall"),
  ]
}

/** Pages that the memory must have. */
export function sharedProgramPages(program: SharedProgram, { pages, harts }: { readonly pages: number; readonly harts: number }): number {
  return 1 + (program === "count" ? 1 : program === "own" || program === "balloon" ? pages * harts : pages)
}

function load(rd: number, value: number): readonly number[] {
  const upper = (value + 0x800) >>> 12
  const lower = value - upper * 4096
  return [encode("lui", { rd, immediate: (upper << 12) | 0 }), encode("addi", { rd, rs1: rd, immediate: lower })]
}
