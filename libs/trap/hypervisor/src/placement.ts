/** Where a job starts: the queue it is dealt to and the node that its state lies on first. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { nodeOfCpu, seatQueue, type QueueName, type Seat } from "@backplane/scenario-machine/topology"
import type { Job } from "./job-table.ts"

export interface Place {
  readonly queue: QueueName
  readonly node: number
}

type Topology = MachineSpec["topology"]

/**
 * Deals the jobs of the first tick. One queue: in list order, over the nodes in turn. A queue a CPU: round after round, each CPU
 * takes the first undealt job that may run there (the dealing of the OSTEP model).
 */
export function dealJobs(jobs: readonly Job[], seat: Seat, topology: Topology): ReadonlyMap<Job, Place> {
  if (seat.layout === "all") return new Map(jobs.map((job, index) => [job, { queue: seatQueue(seat, 0), node: index % topology.nodes }]))
  const places = new Map<Job, Place>()
  const undealt = [...jobs]
  while (undealt.length > 0) {
    const before = undealt.length
    for (let cpu = 0; cpu < topology.cpus; cpu++) {
      const index = undealt.findIndex(({ spec }) => spec.affinity.length === 0 || spec.affinity.includes(cpu))
      const [job] = index < 0 ? [] : undealt.splice(index, 1)
      if (job !== undefined) places.set(job, { queue: seatQueue(seat, cpu), node: nodeOfCpu(topology, cpu) })
    }
    // The scenario was checked: every affinity list names a CPU that exists, so each round deals at least one job.
    if (undealt.length === before) break
  }
  return places
}

/**
 * A later job, or one that is started again: the CPU where fewest jobs lie, among live nodes and CPUs where it may run; one that is on line,
 * if there is one. Its node finds the queue itself where several policies share the machine.
 */
export function placeOne(
  job: Job,
  options: {
    readonly seat: Seat
    readonly offline: ReadonlySet<number>
    readonly topology: Topology
    readonly others: readonly Job[]
    readonly deadNodes: ReadonlySet<number>
  },
): Place | null {
  const { seat, topology, others, deadNodes, offline } = options
  const fit = Array.from({ length: topology.cpus }, (_, cpu) => cpu).filter(
    (cpu) => !deadNodes.has(nodeOfCpu(topology, cpu)) && (job.spec.affinity.length === 0 || job.spec.affinity.includes(cpu)),
  )
  if (fit.length === 0) return null
  const there = fit.filter((cpu) => !offline.has(cpu))
  const allowed = there.length > 0 ? there : fit
  const load = new Map<string, number>()
  for (const other of others) {
    const key = seat.layout === "all" ? `node ${other.node}` : other.queue
    load.set(key, (load.get(key) ?? 0) + 1)
  }
  const loadOf = (cpu: number): number => load.get(seat.layout === "all" ? `node ${nodeOfCpu(topology, cpu)}` : seatQueue(seat, cpu)) ?? 0
  const cpu = allowed.reduce((best, one) => (loadOf(one) < loadOf(best) ? one : best))
  return { queue: seatQueue(seat, cpu), node: nodeOfCpu(topology, cpu) }
}
