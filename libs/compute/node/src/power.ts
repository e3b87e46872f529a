/** What a CPU of this node draws and how long it takes to wake, by the machine's table. A machine without a table: nothing, no time. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { powerKindOf } from "@backplane/scenario-machine/power-spec"
import type { Cpu } from "./cpu.ts"

type Table = Pick<MachineSpec, "power">

/** At its speed while it runs, waits for a token or wakes; in its depth while it idles; nothing while it is off line. */
export function wattsOf({ power }: Table, { index, state, speedIndex, idleDepth }: Cpu): number {
  const { speeds, idle } = powerKindOf(power, index)
  if (state.kind === "offline") return 0
  return (state.kind === "idle" ? idle[idleDepth]?.watts : speeds[speedIndex]?.watts) ?? 0
}

export function wakeTicksOf({ power }: Table, { index, idleDepth }: Cpu): number {
  return powerKindOf(power, index).idle[idleDepth]?.wakeTicks ?? 0
}

export function hasDepth({ power }: Table, { index }: Cpu, depth: number): boolean {
  return depth < powerKindOf(power, index).idle.length
}
