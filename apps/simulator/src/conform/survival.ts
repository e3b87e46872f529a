/** A whole machine under a scheduler with a fault, beside the same machine under the nodes' built-in round robin. */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import type { Effect, Machine } from "@backplane/foundation-actor/machine"
import { FALLBACK, type MachineSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { mutantOf, type Mutant } from "./mutants.ts"
import { edge } from "./trial.ts"

const SEEDS = 3
const TICKS_MAX = 60_000

const jobs: NonNullable<MachineInput["jobs"]> = Array.from({ length: 24 }, (_, index) => ({
  name: `t${index}`,
  run: 120 + ((index * 37) % 90),
  workingSet: 0,
  weight: index % 6 === 0 ? 20 : 100,
  affinity: index % 8 === 3 ? [index % 4] : [],
  arrival: index < 12 ? 0 : index * 9,
  ...(index % 5 === 2 && { phases: [{ run: 9, sleep: 14 }] }),
}))

function specOf(policy: PolicyName, seed: number, actions: MachineInput["actions"] = []): MachineSpec {
  return resolveMachineSpec({
    seed,
    topology: { cpus: 4, nodes: 2 },
    cache: { warmRate: 1 },
    schedule: { policy, sliceTicks: 5 },
    jobs,
    actions,
    maxTicks: TICKS_MAX,
  })
}

export interface Survival {
  readonly lost: readonly string[]
  /** Longest makespan over that of the built-in round robin, over all seeds. */
  readonly ratio: number
  /** What the hypervisor wrote down of ejections, by kind. */
  readonly exits: readonly string[]
}

/** A CPU goes and comes back, a task gets other CPUs. */
const CHANGES: NonNullable<MachineInput["actions"]> = [
  { atTick: 83, cpu: { index: 1, online: false } },
  { atTick: 104, task: { name: "t5", affinity: [2] } },
  { atTick: 151, cpu: { index: 1, online: true } },
]

export function survival(mutant: Mutant): Survival {
  const lost: string[] = []
  const exits: string[] = []
  const { policy = "rr" } = mutant
  let ratio = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const alone = makespan(specOf(policy, seed, [{ atTick: 0, swap: FALLBACK }, ...CHANGES]), machineActor)
    // A swap in the middle: some die of it.
    const world = makespan(specOf(policy, seed, [{ atTick: 60, swap: policy }, ...CHANGES]), withMutant(mutant))
    lost.push(...world.lost)
    exits.push(...world.exits)
    ratio = Math.max(ratio, world.finish / alone.finish)
  }
  return { lost, ratio, exits }
}

/** The scheduler with the fault, behind the edge of a bus: what the contract does not know does not come through. */
function withMutant(mutant: Mutant): ActorMaker {
  return (spec, id, incarnation) => {
    const machine = machineActor(spec, id, incarnation)
    if (actorKind(id) !== "scheduler") return machine
    return behindEdge(mutantOf(machine, mutant))
  }
}

function behindEdge(machine: Machine): Machine {
  const start: Machine["start"] = machine.start.bind(machine)
  const step: Machine["step"] = machine.step.bind(machine)
  const through = (effect: Effect<{ readonly kind: string }>): boolean => effect.kind !== "send" || edge(effect.body) !== null
  const guarded: Pick<Machine, "start" | "step"> = {
    start: (now, restored) => start(now, restored).filter(through),
    step: (now, input) => step(now, input).filter(through),
  }
  return Object.assign(machine, guarded)
}

function makespan(
  spec: MachineSpec,
  make: ActorMaker,
): { readonly finish: number; readonly lost: readonly string[]; readonly exits: readonly string[] } {
  const world = machineWorld(spec, { fingerprint: "off" }, make)
  world.run({ stop: () => outcomeOf(world) !== null })
  const outcome = outcomeOf(world)
  const exits = (world.inspect(HYPERVISOR, HypervisorMachine)?.exits ?? []).map(({ fault }) => fault)
  if (outcome === null || "failure" in outcome) return { finish: Infinity, lost: [outcome?.failure.message ?? "no end"], exits }
  return { finish: outcome.result.finish, lost: outcome.result.lost, exits }
}
