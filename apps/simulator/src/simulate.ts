/** Runs a whole machine in the simulator: all its actors in one process, on a simulated bus, from one seed. */
import { assert } from "@backplane/foundation-base/assert"
import { World } from "@backplane/foundation-simulation/world"
import type { WorldOptions } from "@backplane/foundation-simulation/world-options"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { hostedActors, HYPERVISOR } from "@backplane/scenario-machine/topology"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import type { RunFailure, RunResult } from "@backplane/trap-hypervisor/run-result"
import { machineActor, type ActorMaker } from "./machine-actors.ts"

export type RunOutcome = { readonly result: RunResult } | { readonly failure: RunFailure }

/** A world with all the actors of the machine, at time 0. */
export function machineWorld(spec: MachineSpec, options: Partial<WorldOptions> = {}, make: ActorMaker = machineActor): World {
  const world = new World({ seed: spec.seed, machine: spec.name, latency: spec.clock.latencyCycles, stepsMax: 1_000_000_000, ...options })
  for (const id of hostedActors(spec)) world.add(id, (incarnation) => make(spec, id, incarnation))
  return world
}

/** How the machine's run ended, or null while it has not. */
export function outcomeOf(world: World): RunOutcome | null {
  const hypervisor = world.inspect(HYPERVISOR, HypervisorMachine)
  if (hypervisor === null) return null
  if (hypervisor.failure !== null) return { failure: hypervisor.failure }
  return hypervisor.result === null ? null : { result: hypervisor.result }
}

/** Runs to the end: a result, or why there is none. */
export function simulate(spec: MachineSpec, options: Partial<WorldOptions> = {}, make: ActorMaker = machineActor): RunOutcome {
  const world = machineWorld(spec, options, make)
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  assert(outcome !== null, "a run ends with a result or a failure")
  return outcome
}
