import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { domainsOf, ringHops, victimFor, type DomainTopology, type QueueLoad } from "./domains.ts"

function ring(nodes: number, cpusPerNode: number): DomainTopology {
  return { nodes, nodeOf: Array.from({ length: nodes * cpusPerNode }, (_, cpu) => Math.floor(cpu / cpusPerNode)), hops: ringHops(nodes) }
}

/** Tasks of weight 100 on each CPU: the first runs, the others wait. */
const loadsOf = (tasks: readonly number[]): QueueLoad[] =>
  tasks.map((count, cpu) => ({ cpu, load: 100 * count, waiting: Math.max(0, count - 1) }))

const machines = fc.record({ nodes: fc.integer({ min: 1, max: 8 }), perNode: fc.integer({ min: 1, max: 4 }) }).chain(({ nodes, perNode }) =>
  fc.record({
    topology: fc.constant(ring(nodes, perNode)),
    tasks: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: nodes * perNode, maxLength: nodes * perNode }),
  }),
)

describe("domains", () => {
  it("grow outwards: each holds the one before, the last all CPUs, and the CPU is in a group of every one", () => {
    fc.assert(
      fc.property(machines, ({ topology }) => {
        for (const cpu of topology.nodeOf.keys()) {
          const spans = domainsOf(cpu, topology, null).map(({ groups }) => new Set(groups.flat()))
          for (const [index, span] of spans.entries()) {
            expect(span.has(cpu)).toBe(true)
            if (index > 0) for (const one of spans[index - 1] ?? []) expect(span.has(one)).toBe(true)
          }
          expect(spans.at(-1)?.size).toBe(topology.nodeOf.length)
        }
      }),
      { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 200) },
    )
  })

  it("work is conserved: while a task waits, every idle CPU finds a victim that has one to give", () => {
    fc.assert(
      fc.property(machines, ({ topology, tasks }) => {
        const idle = [...tasks.keys()].filter((cpu) => tasks[cpu] === 0)
        const isWasted = idle.length > 0 && tasks.some((count) => count > 1)
        const victims = idle.map((cpu) => victimFor(cpu, loadsOf(tasks), { domains: domainsOf(cpu, topology, null), bug: null }))
        for (const victim of victims) if (victim !== null) expect(tasks[victim]).toBeGreaterThan(1)
        if (isWasted) expect(victims).not.toContain(null)
      }),
      { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 500) },
    )
  })
})

describe("each planted bug breaks that law", () => {
  const victim = (
    tasks: readonly number[],
    weights: Readonly<Record<number, number>>,
    topology: DomainTopology,
    cpu: number,
    bug: Parameters<typeof domainsOf>[2],
  ) =>
    victimFor(
      cpu,
      loadsOf(tasks).map((one) => ({ ...one, load: weights[one.cpu] ?? one.load })),
      { domains: domainsOf(cpu, topology, bug), bug },
    )

  it("group-imbalance: one heavy task hides the idle CPUs beside it", () => {
    const tasks = [1, 0, 3, 3]
    expect(victim(tasks, { 0: 900 }, ring(2, 2), 1, "group-imbalance")).toBeNull()
    expect(victim(tasks, { 0: 900 }, ring(2, 2), 1, null)).toBe(2)
  })

  it("group-construction: tasks of two nodes that are two steps apart stay on one of them", () => {
    const tasks = [0, 3, 0, 0]
    expect(victim(tasks, {}, ring(4, 1), 3, "group-construction")).toBeNull()
    expect(victim(tasks, {}, ring(4, 1), 3, null)).toBe(1)
  })

  it("missing-domains: nobody looks beyond the node", () => {
    expect(victim([0, 0, 3, 3], {}, ring(2, 2), 0, "missing-domains")).toBeNull()
    expect(victim([0, 0, 3, 3], {}, ring(2, 2), 0, null)).toBe(2)
  })
})
