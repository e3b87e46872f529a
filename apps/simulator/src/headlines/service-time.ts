/** How long a scheduler of ours is at work for a message and for each event in it, on this host. */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { NODES_MAX } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { machineWorld, outcomeOf } from "../simulate.ts"
import { eventsIn, type ServiceTime } from "./contention.ts"

/** As many as a machine may have nodes. */
const TIMED_CPUS = NODES_MAX
const NANOSECONDS_PER_CYCLE = 10 // 100 cycles to the microsecond, as in a machine in free mode

interface Total {
  messages: number
  events: number
  nanoseconds: bigint
}

/** Two machines whose messages carry few and many events: the slope is the time of an event, the rest that of a message. */
export function measuredService(): ServiceTime {
  const few = timedRun({ nodes: TIMED_CPUS, cpus: TIMED_CPUS })
  const many = timedRun({ nodes: 1, cpus: TIMED_CPUS })
  const perMessageOf = ({ messages, nanoseconds }: Total): number => Number(nanoseconds) / messages / NANOSECONDS_PER_CYCLE
  const eventsOf = ({ messages, events }: Total): number => events / messages
  const perEvent = Math.max(0, (perMessageOf(many) - perMessageOf(few)) / (eventsOf(many) - eventsOf(few)))
  return { perEvent: Math.round(perEvent), perMessage: Math.max(1, Math.round(perMessageOf(few) - perEvent * eventsOf(few))) }
}

function timedRun(topology: { readonly nodes: number; readonly cpus: number }): Total {
  const jobs = Array.from({ length: 4 * topology.cpus }, (_, index) => ({ name: `t${index}`, run: 400, workingSet: 0 }))
  const spec = resolveMachineSpec({ topology, cache: { warmupTicks: 0, warmRate: 1 }, jobs })
  const total: Total = { messages: 0, events: 0, nanoseconds: 0n }
  const make: ActorMaker = (machine, id, incarnation) => {
    const actor = machineActor(machine, id, incarnation)
    return actorKind(id) === "scheduler" ? new TimedMachine(actor, total) : actor
  }
  const world = machineWorld(spec, { fingerprint: "off" }, make)
  world.run({ stop: () => outcomeOf(world) !== null })
  return total
}

class TimedMachine implements Machine {
  readonly #inner: Machine
  readonly #total: Total

  constructor(inner: Machine, total: Total) {
    this.#inner = inner
    this.#total = total
  }

  start(...args: Parameters<Machine["start"]>): readonly Effect<Body>[] {
    return this.#inner.start(...args)
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    const begin = process.hrtime.bigint()
    const effects = this.#inner.step(now, input)
    this.#total.nanoseconds += process.hrtime.bigint() - begin
    if (input.kind === "message") {
      this.#total.messages++
      this.#total.events += eventsIn(input.body)
    }
    return effects
  }
}
