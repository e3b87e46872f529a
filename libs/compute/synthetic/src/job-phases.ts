/**
 * Where a job of phases is, told from the work that it has done: so the token that moves from node to node need not say it.
 *
 * A phase has at least one unit of work, and work never carries over from one phase to the next; so "all work of a phase is done" and
 * "the next one begins" are told apart by nothing, and need not be: what comes after a phase happens in the run that completes it.
 */
import type { ChannelLevel, SlicePause } from "@backplane/compute-contract/task-engine"
import { roundWork, type PhaseSpec } from "@backplane/scenario-machine/phase-spec"

/** The phase that is under way after `done` units, and the units that it still has. */
export function phaseAt(phases: readonly PhaseSpec[], done: number): { readonly phase: PhaseSpec; readonly left: number } {
  let rest = done % roundWork(phases)
  for (const phase of phases) {
    if (rest < phase.run) return { phase, left: phase.run - rest }
    rest -= phase.run
  }
  throw new Error("unreachable: the rest is less than a round")
}

/** Sum over the phases completed after `done` units. */
function completed(phases: readonly PhaseSpec[], done: number, worth: (phase: PhaseSpec) => number): number {
  const rounds = Math.floor(done / roundWork(phases))
  let rest = done % roundWork(phases)
  let sum = 0
  for (const phase of phases) {
    rest -= phase.run
    sum += (rest >= 0 ? rounds + 1 : rounds) * worth(phase)
  }
  return sum
}

/** How far the job has advanced the channel. */
export function signalLevel(phases: readonly PhaseSpec[], done: number, channel: string): ChannelLevel {
  return { channel, level: completed(phases, done, ({ signal }) => (signal === channel ? 1 : 0)) }
}

/** What comes after the phase that `done` units completed at tick `endTick`. */
export function pauseAfter(
  phases: readonly PhaseSpec[],
  phase: PhaseSpec,
  at: { readonly done: number; readonly endTick: number },
): SlicePause {
  const { sleep, await: channel, spin, to } = phase
  if (sleep !== undefined) return { kind: "blocked", wakeTick: at.endTick + sleep }
  if (channel !== undefined) {
    const level = completed(phases, at.done, (one) => (one.await === channel ? (one.count ?? 1) : 0))
    return { kind: "blocked", wakeTick: null, awaits: { channel, level, ...(to !== undefined && { to }) }, ...(spin && { spin }) }
  }
  return phase.yield === true ? { kind: "yield" } : { kind: "step" }
}
