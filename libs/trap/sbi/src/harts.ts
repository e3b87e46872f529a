/** Extensions that concern other harts: inter-processor interrupts, remote fences, hart state. SBI 2.0, chapters 7 to 9. */
import { argument, done, insideMemory, maskedHarts, refused, result } from "./answers.ts"
import { HartStatus, SbiError } from "./sbi-numbers.ts"
import type { AddressRange, SbiAnswer, SbiCall, SbiView } from "./sbi-types.ts"

const EVERYTHING = 0xffff_ffff_ffff_ffffn
const SUSPEND_RETENTIVE = 0n
const SUSPEND_NON_RETENTIVE = 0x8000_0000n
/** The smallest instruction. */
const INSTRUCTION_BYTES = 2n

export function interprocessor(call: SbiCall, view: SbiView): SbiAnswer {
  if (call.function !== 0n) return refused(SbiError.notSupported)
  const harts = maskedHarts(view, { mask: argument(call, 0), base: argument(call, 1) })
  return harts === null ? refused(SbiError.invalidParameter) : done({ kind: "raise-software", harts })
}

export function remoteFence(call: SbiCall, view: SbiView): SbiAnswer {
  // Functions 3…6 are for the hypervisor extension, which is absent.
  if (call.function > 2n) return refused(SbiError.notSupported)
  const harts = maskedHarts(view, { mask: argument(call, 0), base: argument(call, 1) })
  if (harts === null) return refused(SbiError.invalidParameter)
  if (call.function === 0n) return done({ kind: "fence-instructions", harts })
  const addressSpace = call.function === 2n ? argument(call, 4) : null
  return done({ kind: "fence-translations", harts, range: fenceRange(call), addressSpace })
}

/** Start and size both zero, or a size of all ones, mean the whole address space. */
function fenceRange(call: SbiCall): AddressRange | null {
  const from = argument(call, 2)
  const bytes = argument(call, 3)
  return (from === 0n && bytes === 0n) || bytes === EVERYTHING ? null : { from, bytes }
}

export function hartState(call: SbiCall, view: SbiView): SbiAnswer {
  switch (call.function) {
    case 0n:
      return start(call, view)
    case 1n:
      return done({ kind: "stop", hart: call.hart })
    case 2n: {
      const state = view.harts[Number(argument(call, 0))]
      return state === undefined ? refused(SbiError.invalidParameter) : result(HartStatus[state])
    }
    case 3n:
      return suspend(call, view)
    default:
      return refused(SbiError.notSupported)
  }
}

function start(call: SbiCall, view: SbiView): SbiAnswer {
  const hart = Number(argument(call, 0))
  const pc = argument(call, 1)
  const state = view.harts[hart]
  if (state === undefined) return refused(SbiError.invalidParameter)
  if (state !== "stopped") return refused(SbiError.alreadyAvailable)
  if (!insideMemory(view, { from: pc, bytes: INSTRUCTION_BYTES })) return refused(SbiError.invalidAddress)
  return done({ kind: "start", hart, pc, opaque: argument(call, 2) })
}

function suspend(call: SbiCall, view: SbiView): SbiAnswer {
  const type = argument(call, 0)
  if (type === SUSPEND_RETENTIVE) return done({ kind: "suspend", hart: call.hart, resume: null })
  if (type !== SUSPEND_NON_RETENTIVE) return refused(SbiError.invalidParameter)
  const pc = argument(call, 1)
  if (!insideMemory(view, { from: pc, bytes: INSTRUCTION_BYTES })) return refused(SbiError.invalidAddress)
  return done({ kind: "suspend", hart: call.hart, resume: { pc, opaque: argument(call, 2) } })
}
