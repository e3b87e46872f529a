/** The last exits of a VM, as the node that runs it remembers them: one a line. */
import type { Json } from "@backplane/foundation-base/json"

/** As `NodeVms.inspect` (trap/vm-host) says it. */
interface TrapView {
  readonly cause: string
  readonly pc: string
  readonly va: string
  readonly instret: number
  readonly time: number
  readonly cycles: number
}

/** `traps`: what the inspection holds of them; a node of an older version holds nothing. */
export function trapLines(traps: Json | undefined): readonly string[] {
  if (!Array.isArray(traps) || traps.length === 0)
    return ["  no exit is remembered: the engine answered all by itself, or it has just come to this node"]
  const views = traps as unknown as readonly TrapView[]
  const row = (time: string, instret: string, pc: string, va: string, cycles: string, cause: string): string =>
    `${time.padStart(14)} ${instret.padStart(12)} ${pc.padStart(18)} ${va.padStart(18)} ${cycles.padStart(7)}  ${cause}`
  return [
    row("cycle", "instructions", "pc", "address", "cycles", "last exits"),
    ...views.map(({ time, instret, pc, va, cycles, cause }) => row(String(time), String(instret), pc, va, String(cycles), cause)),
  ]
}
