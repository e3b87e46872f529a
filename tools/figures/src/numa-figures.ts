/** Placement of pages, their migration and replication beside Disco's figures, and moving the data or the computation. */
import { percentOf, round, type FigureSize, type VirtualFigure } from "./figure.ts"
import { localShare, measure, slowest, type Measured, type Multiprocessor } from "./multiprocessor.ts"
import { pagePolicy, type PolicyRecord } from "./page-policy.ts"
import type { Bar } from "@backplane/scenario-picture/bar-chart-svg"
import type { TimingInput } from "@backplane/scenario-machine/timing-spec"

/** Disco's machine: eight CPUs, each a node with its own second level; caches made small as the data is, so that a run takes seconds. */
const CPUS = 8
const DISCO: TimingInput = { preset: "disco1997", firstLevel: { bytes: 4096 }, secondLevel: { bytes: 32_768 } }

interface DiscoCase {
  readonly name: string
  readonly what: string
  readonly published: { readonly before: number; readonly after: number; readonly faster: number }
  readonly parameters: (size: FigureSize) => readonly number[]
  readonly placement: "interleave" | "local"
}

/** Table 2 and section 5.5 of the paper (SOSP 1997): share of misses to local memory before and after, execution time. */
const DISCO_CASES: readonly DiscoCase[] = [
  {
    name: "engineering",
    what: "each CPU its own data, pages dealt around the nodes",
    published: { before: 0.16, after: 0.78, faster: 0.33 },
    // 8 KiB all read, 64 KiB each, a tenth of the accesses shared.
    parameters: (size) => [8192, 65_536, size === "full" ? 24_000 : 9000, 10, 140, 0],
    placement: "interleave",
  },
  {
    name: "raytrace",
    what: "one scene that all read, on one node",
    published: { before: 0.06, after: 0.76, faster: 0.38 },
    parameters: (size) => [131_072, 4096, size === "full" ? 24_000 : 9000, 95, 160, 0],
    placement: "local",
  },
]

export function discoPolicies(size: FigureSize): VirtualFigure {
  const rows: (string | number)[][] = []
  const groups: { name: string; bars: Bar[] }[] = []
  const values: Record<string, number> = {}
  for (const one of DISCO_CASES) {
    const machine: Multiprocessor = {
      workload: "numa",
      cpus: CPUS,
      nodes: CPUS,
      parameters: one.parameters(size),
      timing: { ...DISCO, placement: one.placement },
      memoryBytes: 4 * 2 ** 20,
    }
    const before = measure(machine)
    const record: PolicyRecord = { migrated: 0, replicated: 0, collapsed: 0 }
    const options = { cpus: CPUS, intervalCycles: 200_000, rules: { hotMisses: 24, replicateMisses: 4 }, record }
    const after = measure({ ...machine, interval: (spec) => pagePolicy(spec, options) })
    const faster = 1 - slowest(after) / slowest(before)
    const { published } = one
    rows.push([
      one.name,
      percentOf(localShare(before)),
      percentOf(localShare(after)),
      `−${percentOf(faster)}`,
      `${percentOf(published.before)} → ${percentOf(published.after)}`,
      `−${percentOf(published.faster)}`,
      record.migrated,
      record.replicated,
    ])
    const bar = (name: string, value: number, whose: Bar["whose"]): Bar => ({ name, value: value * 100, words: percentOf(value), whose })
    groups.push({
      name: one.name,
      bars: [
        bar("local, pages stay", localShare(before), "ours"),
        bar("local, pages move", localShare(after), "ours"),
        bar("time saved", faster, "ours"),
        bar("Disco: local before", published.before, "other"),
        bar("Disco: local after", published.after, "other"),
        bar("Disco: time saved", published.faster, "other"),
      ],
    })
    values[`${one.name}_local_before`] = round(localShare(before), 4)
    values[`${one.name}_local_after`] = round(localShare(after), 4)
    values[`${one.name}_time_saved`] = round(faster, 4)
    values[`${one.name}_migrated`] = record.migrated
    values[`${one.name}_replicated`] = record.replicated
  }
  return {
    name: "page-policies",
    title: "Migration and replication of pages, 8 CPUs on 8 nodes, 300/900 ns (disco1997), beside Disco's figures",
    columns: ["workload", "local before", "after", "time", "Disco: local", "time", "migrated", "copied"],
    rows,
    notes: [
      ...DISCO_CASES.map(({ name, what }) => `${name}: ${what}.`),
      "Ours are programs of the same pattern, not the paper's; their share of misses was chosen, so the last digits say nothing. Costs of copies and shootdowns are in.",
    ],
    chart: { title: "Migration and replication of pages", hint: "percent; hollow: as Disco published it", groups },
    values,
  }
}

/** The same program with its pages on its own node, dealt around, and all on one node. */
export function placement(size: FigureSize): VirtualFigure {
  const accesses = size === "full" ? 12_000 : 2000
  const variants = [
    ["first touch", "first-touch", 0],
    ["interleaved", "interleave", 0],
    ["first touch, one CPU filled it", "first-touch", 1],
    ["all on node 0", "local", 0],
  ] as const
  const nodes = 4
  const run = ([, placed, filler]: (typeof variants)[number], count: number): Measured =>
    measure({
      workload: "numa",
      cpus: 8,
      nodes,
      parameters: [4096, 65_536, count, 0, 20, filler],
      timing: { preset: "modern", placement: placed, secondLevel: { bytes: 65_536, ways: 8 }, memory: { occupancyNanoseconds: 12 } },
      memoryBytes: 4 * 2 ** 20,
    })
  const runs = variants.map((variant) => run(variant, accesses))
  // Who fills the memory has misses of its own, most of them local: they are no part of what is asked.
  const shares = variants.map((variant, index) => localShare(runs[index] as Measured, run(variant, 0)))
  const best = slowest(runs[0] ?? runs[1] ?? runs[2] ?? (runs[3] as Measured))
  return {
    name: "placement",
    title: `Placement: 8 CPUs on ${nodes} nodes, each with data of its own (modern, 80/140 ns)`,
    columns: ["placement", "cycles per access", "against first touch", "local"],
    rows: runs.map((run, index) => [
      variants[index]?.[0] ?? "",
      round(slowest(run) / accesses),
      `${round(slowest(run) / best)} ×`,
      percentOf(shares[index] ?? 0),
    ]),
    notes: [
      "Time and local share are of the accesses alone, after the memory was filled; where one CPU filled it, the others begin with cold caches.",
      "Far memory costs its distance; one node for all costs its queue on top. Dealing pages around gives distance up for an even load.",
    ],
    chart: {
      title: "Placement",
      hint: "cycles per access, shorter is better",
      groups: [
        {
          name: "",
          bars: runs.map((run, index) => {
            const value = round(slowest(run) / accesses)
            return { name: variants[index]?.[0] ?? "", value, words: String(value), whose: "ours" }
          }),
        },
      ],
    },
    values: Object.fromEntries(
      ["first_touch", "interleave", "one_filled", "node_0"].flatMap((name, index) => {
        const run = runs[index]
        return run === undefined ? [] : [[`${name}_cycles`, round(slowest(run) / accesses)], [`${name}_local`, round(shares[index] ?? 0, 4)]] // prettier-ignore
      }),
    ),
  }
}

/** Lines that one operation touches. */
const STRUCTURE_LINES = 16

/** A structure that two nodes use in turns: the lines go to and fro, or one node asks the other. Which is better depends on reuse. */
export function dataOrComputation(size: FigureSize): VirtualFigure {
  const inRow = size === "full" ? [1, 2, 4, 8, 16, 32, 64, 128] : [1, 64]
  const turns = size === "full" ? 60 : 20
  const cost = (asks: number, count: number): number => {
    const parameters = [asks, turns, STRUCTURE_LINES, count]
    const run = measure({ workload: "structure", cpus: 2, nodes: 2, parameters, timing: { preset: "modern" }, memoryBytes: 2 ** 20 })
    return slowest(run) / turns / count
  }
  const moved = inRow.map((count) => round(cost(0, count)))
  const asked = inRow.map((count) => round(cost(1, count)))
  const crossover = inRow.find((_, index) => (moved[index] ?? 0) < (asked[index] ?? 0)) ?? null
  return {
    name: "data-or-computation",
    title: `Move the data or the computation: cycles per operation on ${STRUCTURE_LINES} lines that another node uses, too (modern)`,
    columns: ["operations in a row", "data moves", "computation moves"],
    rows: inRow.map((count, index) => [count, moved[index] ?? 0, asked[index] ?? 0]),
    notes: [
      "After each row of operations the other node does one of its own. Data that moves is paid for once a row, a question for each operation.",
      crossover === null ? "Asking is cheaper throughout." : `From ${crossover} operations in a row on it is cheaper to move the data.`,
    ],
    chart: {
      title: "Move the data or the computation",
      xLabel: "operations in a row before the other node's turn",
      yLabel: "cycles per operation, each step of the scale ten times the last",
      x: inRow,
      xScale: "doubling",
      // A hundred times as dear for one operation as for many: on an even scale the place where the lines cross is not seen.
      yScale: "log",
      series: [
        { name: "data moves", y: moved },
        { name: "computation moves", y: asked },
      ],
    },
    values: Object.fromEntries(inRow.flatMap((count, index) => [[`data_${count}`, moved[index] ?? 0], [`computation_${count}`, asked[index] ?? 0]])), // prettier-ignore
  }
}
