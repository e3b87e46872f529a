/**
 * Scheduling domains: within which an idle CPU looks for work, nearest first, and from which group of CPUs it takes it. See README.md.
 *
 * The four bugs of "The Linux Scheduler: a Decade of Wasted Cores" can be planted here one at a time; without a bug this is the mended form.
 */

/** Lozi and others, EuroSys 2016, section 3. */
const WASTED_CORES_BUGS = ["group-imbalance", "group-construction", "overload-on-wakeup", "missing-domains"] as const
export type WastedCoresBug = (typeof WASTED_CORES_BUGS)[number]

export interface DomainTopology {
  /** Node of each CPU, by its number. */
  readonly nodeOf: readonly number[]
  readonly nodes: number
  /** Steps from one node to another; 0 to itself. */
  readonly hops: (from: number, to: number) => number
}

/** A set of CPUs within which load is balanced, cut into groups; the first group that holds the CPU is its own. */
export interface Domain {
  readonly groups: readonly (readonly number[])[]
}

/** What a queue says of itself. */
export interface QueueLoad {
  readonly cpu: number
  /** Weights of the tasks that wait and run. */
  readonly load: number
  /** Tasks that wait; 0 where none of them may run on the CPU that asks. */
  readonly waiting: number
}

/** Nodes in a ring: a neighbour is one step away, the one opposite the farthest. */
export function ringHops(nodes: number): DomainTopology["hops"] {
  return (from, to) => {
    const apart = Math.abs(from - to)
    return Math.min(apart, nodes - apart)
  }
}

/**
 * The domains of a CPU, nearest first: its node, CPU by CPU; then, for one step more each time, groups of nodes that are one step closer
 * together. Linux builds those groups by taking the nodes around one node, then those around the first node that is not in yet, and so on;
 * so groups overlap, and from which node one begins makes a difference.
 */
export function domainsOf(cpu: number, topology: DomainTopology, bug: WastedCoresBug | null): readonly Domain[] {
  const { nodeOf, nodes, hops } = topology
  const home = nodeOf[cpu] ?? 0
  const cpusOf = (members: readonly number[]): readonly number[] => [...nodeOf.keys()].filter((one) => members.includes(nodeOf[one] ?? 0))
  const own: Domain = { groups: cpusOf([home]).map((one) => [one]) }
  // After a CPU went off and on, only this one was built again.
  if (bug === "missing-domains") return [own]
  const farthest = Math.max(0, ...Array.from({ length: nodes }, (_, node) => hops(home, node)))
  const around = (node: number, steps: number): readonly number[] =>
    Array.from({ length: nodes }, (_, one) => one).filter((one) => hops(node, one) <= steps)
  const wider = Array.from({ length: farthest }, (_, step): Domain => {
    const span = around(home, step + 1)
    // The bug: groups of every CPU are those that CPU 0 would see.
    const first = bug === "group-construction" ? 0 : home
    const groups: (readonly number[])[] = []
    const order = [first, ...span.filter((node) => node !== first)]
    for (const node of order)
      if (span.includes(node) && !groups.some((group) => group.includes(node)))
        groups.push(around(node, step).filter((one) => span.includes(one)))
    return { groups: groups.map(cpusOf) }
  })
  return [own, ...wider]
}

/**
 * The CPU whose queue an idle one takes from: in the nearest domain in which another group has a task to give, the one where most wait.
 * Null: nobody has.
 */
export function victimFor(
  cpu: number,
  loads: readonly QueueLoad[],
  { domains, bug }: { readonly domains: readonly Domain[]; readonly bug: WastedCoresBug | null },
): number | null {
  const of = (one: number): QueueLoad => loads.find((load) => load.cpu === one) ?? { cpu: one, load: 0, waiting: 0 }
  const meanOf = (group: readonly number[]): number => group.reduce((sum, one) => sum + of(one).load, 0) / Math.max(1, group.length)
  for (const { groups } of domains) {
    const own = groups.find((group) => group.includes(cpu)) ?? [cpu]
    const others = groups.filter((group) => group !== own)
    // The bug: what counts of a group is its mean load, and one heavy task hides that all CPUs around it idle.
    const busier = bug === "group-imbalance" ? others.filter((group) => meanOf(group) > meanOf(own)) : others
    const candidates = busier.flat().filter((one) => !own.includes(one) && of(one).waiting > 0)
    const [fullest] = candidates.sort((a, b) => of(b).waiting - of(a).waiting || of(b).load - of(a).load || a - b)
    if (fullest !== undefined) return fullest
  }
  return null
}
