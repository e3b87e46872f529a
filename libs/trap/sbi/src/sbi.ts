/**
 * The supervisor binary interface for guests that start in S-mode: one environment call in, an answer and effects out.
 *
 * Not here: carrying out the effects (the board), guests that bring their own firmware (they never get here). SBI specification 2.0:
 * base, time, IPI, remote fence, hart state, system reset, debug console, and of the legacy calls timer, console and shutdown.
 */
import { argument, done, refused, result } from "./answers.ts"
import { debugConsole, legacy, legacyGetCharacter, legacyPutCharacter } from "./console.ts"
import { hartState, interprocessor, remoteFence } from "./harts.ts"
import { Extension, IMPLEMENTATION_ID, IMPLEMENTATION_VERSION, SbiError, SPECIFICATION_VERSION } from "./sbi-numbers.ts"
import type { SbiAnswer, SbiCall, SbiHandler, SbiView } from "./sbi-types.ts"

/** The table of what is implemented; the probe answers from it. */
const HANDLERS: ReadonlyMap<bigint, SbiHandler> = new Map<bigint, SbiHandler>([
  [Extension.legacySetTimer, (call) => legacy(setTimer(call))],
  [Extension.legacyPutCharacter, legacyPutCharacter],
  [Extension.legacyGetCharacter, legacyGetCharacter],
  [Extension.legacyClearInterrupt, (call) => legacy(done({ kind: "clear-software", hart: call.hart }))],
  [Extension.legacyShutdown, () => legacy(done({ kind: "shutdown", outcome: "success" }))],
  [Extension.base, base],
  [Extension.time, (call) => (call.function === 0n ? setTimer(call) : refused(SbiError.notSupported))],
  [Extension.interprocessor, interprocessor],
  [Extension.remoteFence, remoteFence],
  [Extension.hartState, hartState],
  [Extension.systemReset, systemReset],
  [Extension.debugConsole, debugConsole],
])

/** Any call has an answer; what does not exist is "not supported". */
export function callSbi(call: SbiCall, view: SbiView): SbiAnswer {
  return (HANDLERS.get(call.extension) ?? (() => refused(SbiError.notSupported)))(call, view)
}

function base(call: SbiCall): SbiAnswer {
  switch (call.function) {
    case 0n:
      return result(SPECIFICATION_VERSION)
    case 1n:
      return result(IMPLEMENTATION_ID)
    case 2n:
      return result(IMPLEMENTATION_VERSION)
    case 3n:
      return result(HANDLERS.has(argument(call, 0)) ? 1n : 0n)
    case 4n:
    case 5n:
    case 6n:
      // mvendorid, marchid, mimpid: all zero.
      return result(0n)
    default:
      return refused(SbiError.notSupported)
  }
}

function setTimer(call: SbiCall): SbiAnswer {
  return done({ kind: "set-timer", hart: call.hart, deadline: argument(call, 0) })
}

function systemReset(call: SbiCall): SbiAnswer {
  const type = argument(call, 0)
  const reason = argument(call, 1)
  if (call.function !== 0n) return refused(SbiError.notSupported)
  // Reasons above 1 are reserved or belong to implementations.
  if (type > 2n || reason > 1n) return refused(SbiError.invalidParameter)
  return type === 0n ? done({ kind: "shutdown", outcome: reason === 0n ? "success" : "failure" }) : done({ kind: "reset" })
}
