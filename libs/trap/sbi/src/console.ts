/** The debug console and the legacy console calls. SBI 2.0, chapters 5 and 12. */
import { argument, done, insideMemory, refused, result } from "./answers.ts"
import { SbiError } from "./sbi-numbers.ts"
import type { SbiAnswer, SbiCall, SbiView } from "./sbi-types.ts"

/** One call moves at most this much: the answer says how much it was, and the guest asks again. */
const CONSOLE_BYTES_MAX = 4096
const NO_CHARACTER = 0xffff_ffff_ffff_ffffn

export function debugConsole(call: SbiCall, view: SbiView): SbiAnswer {
  if (call.function === 2n) return done({ kind: "console-byte", byte: Number(argument(call, 0) & 0xffn) })
  if (call.function > 2n) return refused(SbiError.notSupported)
  const bytes = argument(call, 0)
  const address = argument(call, 1)
  // The high half of a physical address is a third register, for 32-bit harts.
  if (argument(call, 2) !== 0n || !insideMemory(view, { from: address, bytes })) return refused(SbiError.invalidParameter)
  const count = Number(bytes < BigInt(CONSOLE_BYTES_MAX) ? bytes : CONSOLE_BYTES_MAX)
  if (call.function === 0n) return result(BigInt(count), { kind: "console-write", address, bytes: count })
  const data = view.input.slice(0, count)
  return result(BigInt(data.length), { kind: "consume-input", bytes: data.length }, { kind: "write-memory", address, data })
}

export function legacyPutCharacter(call: SbiCall): SbiAnswer {
  return legacy(done({ kind: "console-byte", byte: Number(argument(call, 0) & 0xffn) }))
}

/** The byte itself in a0, or -1. */
export function legacyGetCharacter(_call: SbiCall, view: SbiView): SbiAnswer {
  const byte = view.input[0]
  if (byte === undefined) return { error: NO_CHARACTER, value: null, effects: [] }
  return { error: BigInt(byte), value: null, effects: [{ kind: "consume-input", bytes: 1 }] }
}

/** Legacy calls have one result register. */
export function legacy(answer: SbiAnswer): SbiAnswer {
  return { ...answer, value: null }
}
