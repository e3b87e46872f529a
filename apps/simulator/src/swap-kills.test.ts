/** A kill of either scheduler at every step of a swap through shadow leaves a running policy, and loses nothing. */
import { describe, expect, it } from "vitest"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import { schedulerActor } from "@backplane/scenario-machine/topology"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { addMachineCheckers } from "./soak/machine-checkers.ts"

const SWAP_TICK = 12
const SHADOW_SLICES = 3
const SLICE_TICKS = 4
/** Told, attach, snapshot, decision, verdict, and on disk before it: more messages than either phase has. */
const STEPS = 14

interface Kill {
  readonly to: PolicyName
  readonly victim: string
  readonly step: number
  /** The shadow's beginning, or the take-over. */
  readonly phase: "shadow" | "take-over"
  readonly comesBack: boolean
}

function finish({ to, victim, step, phase, comesBack }: Kill): void {
  const spec = resolveMachineSpec({
    name: "kills",
    seed: 3,
    topology: { nodes: 2, cpus: 2 },
    cache: { warmRate: 1 },
    schedule: { policy: "sqms", sliceTicks: SLICE_TICKS },
    jobs: Array.from({ length: 5 }, (_, index) => ({ name: `t${index}`, run: 30, workingSet: 1, affinity: index === 4 ? [1] : [] })),
    actions: [{ atTick: SWAP_TICK, swap: to, shadow: SHADOW_SLICES }],
    maxTicks: 20_000,
  })
  const world = machineWorld(spec, { fingerprint: "off" })
  addMachineCheckers(world, spec)
  const tick = phase === "shadow" ? SWAP_TICK : SWAP_TICK + SHADOW_SLICES * SLICE_TICKS
  const at = new TickClock(spec.clock).start(tick) + step * spec.clock.latencyCycles
  world.run({ until: virtualTime(at) })
  world.crash(schedulerActor(victim))
  if (comesBack) {
    world.run({ until: virtualTime(at + 7 * spec.clock.tickCycles) })
    world.restart(schedulerActor(victim))
  }
  world.run({ stop: () => outcomeOf(world) !== null })
  expect(outcomeOf(world)).toMatchObject({ result: { lost: [], restarts: 0 } })
}

describe.each(["shadow", "take-over"] as const)("a kill at every step of the %s", (phase) => {
  it.each([
    ["of the one in force", "rr", "all"],
    ["of the candidate", "rr", "shadow-all"],
    ["of the one in force, of another layout", "cfs", "all"],
    ["of one of the candidate's", "cfs", "shadow-cpu-1"],
    ["of one that takes over", "cfs", "cpu-1"],
  ] as const)("%s loses nothing, whether it comes back or not", (_what, to, victim) => {
    for (let step = 0; step < STEPS; step++) for (const comesBack of [true, false]) finish({ to, victim, step, phase, comesBack })
  })
})
