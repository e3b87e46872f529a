/**
 * Which process hosts which actor of a machine: chosen once, kept while the process lives.
 *
 * Kinds of actor go to the service that has them; within a service, neighbours share a process (contiguous blocks), so that the
 * CPUs of one node tend to be scheduled by one process. Schedulers are spread seat by seat: else one process had all that decide, and the
 * others only those that wait for a trial.
 */
import { actorKind, type ActorId } from "@backplane/foundation-actor/actor-id"
import { hostedActors, seatOfQueue, type QueueName } from "@backplane/scenario-machine/topology"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"

/** Kind of actor → the service whose processes host it. */
export const SERVICE_OF_KIND: Readonly<Record<string, string>> = {
  node: "numa-node",
  scheduler: "cpu-scheduler",
  memory: "memory-controller",
  hypervisor: "hypervisor",
}

/** A live process, as it says of itself. */
export interface Instance {
  readonly service: string
  readonly instance: string
  /** New at each start of the process. */
  readonly incarnation: string
}

/** Spreads all actors of the machine over the live processes. Returns what is missing where a service has none. */
export function planHosting(
  spec: MachineSpec,
  instances: readonly Instance[],
): { readonly places: ReadonlyMap<ActorId, string>; readonly missing: readonly string[] } {
  const places = new Map<ActorId, string>()
  const missing: string[] = []
  for (const [kind, service] of Object.entries(SERVICE_OF_KIND)) {
    const hosts = instances.filter((one) => one.service === service).sort((a, b) => (a.instance < b.instance ? -1 : 1))
    if (hosts.length === 0) missing.push(service)
    for (const actors of seatsOf(hostedActors(spec).filter((id) => actorKind(id) === kind))) {
      for (const [index, actor] of actors.entries()) {
        const host = hosts[Math.floor((index * hosts.length) / actors.length)]
        if (host !== undefined) places.set(actor, host.instance)
      }
    }
  }
  return { places, missing }
}

/** The actors of each seat; those of other kinds have none, and are one group. */
function seatsOf(actors: readonly ActorId[]): readonly (readonly ActorId[])[] {
  const seats = new Map<string, ActorId[]>()
  for (const actor of actors) {
    const seat = seatOfQueue(actor.slice(actor.indexOf(".") + 1) as QueueName)
    seats.set(seat, [...(seats.get(seat) ?? []), actor])
  }
  return [...seats.values()]
}
