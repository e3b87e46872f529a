/** Locks: six spin locks over CPUs, a kernel's table under one lock, many, and none, and false sharing. */
import { round, type FigureSize, type VirtualFigure } from "./figure.ts"
import { measure, slowest } from "./multiprocessor.ts"

const SPIN_LOCKS = ["test-and-set", "test-and-test-and-set", "with backoff", "ticket", "queue (MCS)", "array"] as const
/** Cycles under the lock and between two acquisitions. */
const INSIDE = 60
/** A bus that is busy for a good part of each transaction, as those of bus-based multiprocessors were. */
const ONE_BUS = { preset: "modern", bus: { occupancyCycles: 20 } } as const
const OUTSIDE = 300

/** Cycles per acquisition that are not work under the lock, as Anderson drew it: all CPUs share one bus. */
export function spinLocks(size: FigureSize): VirtualFigure {
  const cpus = size === "full" ? [1, 2, 4, 8, 12, 16, 24, 32] : [1, 4, 16]
  const acquisitions = size === "full" ? 960 : 480
  const costs = SPIN_LOCKS.map((_, kind) => cpus.map((count) => overhead(kind, count, acquisitions)))
  const at = (kind: number, index: number): number => costs[kind]?.at(index) ?? 0
  return {
    name: "spin-locks",
    title: "Spin locks: cycles per acquisition beyond the work under the lock, all CPUs on one bus (modern costs)",
    columns: ["CPUs", ...SPIN_LOCKS],
    rows: cpus.map((count, index) => [count, ...costs.map((each) => Math.round(each[index] ?? 0))]),
    notes: [
      "Anderson 1990: test-and-set and test-and-test-and-set grow with every CPU that spins; backoff helps; a queue does not care how many wait.",
      `${INSIDE} cycles under the lock, ${OUTSIDE} between; with one CPU the time between counts, with many it is hidden.`,
    ],
    chart: {
      title: "Spin locks",
      xLabel: "CPUs",
      yLabel: "cycles per acquisition beyond the work under the lock",
      x: cpus,
      xScale: "linear",
      series: SPIN_LOCKS.map((name, kind) => ({ name, y: costs[kind] ?? [] })),
    },
    values: Object.fromEntries(
      ["tas", "ttas", "backoff", "ticket", "queue", "array"].flatMap((name, kind) =>
        cpus.map((count, index) => [`${name}_${count}`, round(at(kind, index))]),
      ),
    ),
  }
}

function overhead(kind: number, cpus: number, acquisitions: number): number {
  const rounds = Math.floor(acquisitions / cpus)
  const run = measure({ workload: "locks", cpus, nodes: 1, parameters: [kind, rounds * cpus, INSIDE, OUTSIDE], timing: ONE_BUS })
  // One CPU alone does not hide what is between two acquisitions.
  const work = INSIDE + (cpus === 1 ? OUTSIDE : 0)
  return slowest(run) / (rounds * cpus) - work
}

const KERNELS = ["one lock", "a lock a row", "no locks"] as const

/** Calls a second of a kernel's table, against one CPU. */
export function kernelLocks(size: FigureSize): VirtualFigure {
  const cpus = size === "full" ? [1, 2, 4, 8, 16, 32] : [1, 8]
  const calls = size === "full" ? 60 : 30
  const work = 1000
  const rows = 128
  const throughput = KERNELS.map((_, kind) =>
    cpus.map((count) => {
      const run = measure({
        workload: "kernel",
        cpus: count,
        nodes: 1,
        parameters: [kind, calls, work, rows],
        timing: { preset: "modern" },
      })
      return (calls * count) / slowest(run)
    }),
  )
  const speedup = throughput.map((each) => each.map((value) => value / (throughput[0]?.[0] ?? 1)))
  return {
    name: "kernel-locks",
    title: "A kernel's table: calls per cycle against one CPU under one lock (modern costs, one node)",
    columns: ["CPUs", ...KERNELS],
    rows: cpus.map((count, index) => [count, ...speedup.map((each) => round(each[index] ?? 0))]),
    notes: [`${work} cycles of the process's own work between two calls; ${rows} rows, one drawn for each call.`],
    chart: {
      title: "One lock, many, none",
      xLabel: "CPUs",
      yLabel: "calls per cycle, against one CPU under one lock",
      x: cpus,
      xScale: "linear",
      series: KERNELS.map((name, kind) => ({ name, y: speedup[kind] ?? [] })),
    },
    values: Object.fromEntries(
      ["big", "fine", "free"].flatMap((name, kind) => cpus.map((count, index) => [`${name}_${count}`, round(speedup[kind]?.[index] ?? 0)])),
    ),
  }
}

/** Counters of several CPUs in one line and in lines of their own, under both protocols. */
export function falseSharing(size: FigureSize): VirtualFigure {
  const cpus = size === "full" ? [1, 2, 4, 8] : [1, 4]
  const increments = size === "full" ? 2000 : 300
  const cost = (count: number, distance: number, protocol: "invalidate" | "update", nodes: number): number =>
    slowest(measure({ workload: "sharing", cpus: count, nodes, parameters: [distance, increments], timing: { preset: "modern", protocol } })) / increments // prettier-ignore
  const variants = [
    ["a line each", 64, "invalidate", 1],
    ["one line", 8, "invalidate", 1],
    ["one line, update", 8, "update", 1],
    ["one line, two nodes", 8, "invalidate", 2],
  ] as const
  const costs = variants.map(([, distance, protocol, nodes]) =>
    cpus.map((count) => (count < nodes ? null : round(cost(count, distance, protocol, nodes)))),
  )
  return {
    name: "false-sharing",
    title: "False sharing: cycles per increment of a CPU's own counter (modern costs)",
    columns: ["CPUs", ...variants.map(([name]) => name)],
    rows: cpus.map((count, index) => [count, ...costs.map((each) => each[index] ?? "–")]),
    notes: ["Nobody shares a value; in one line they share the line. `update` keeps every copy and pays the bus for every store."],
    chart: {
      title: "False sharing",
      xLabel: "CPUs",
      yLabel: "cycles per increment",
      x: cpus,
      xScale: "doubling",
      series: variants.map(([name], index) => ({ name, y: costs[index] ?? [] })),
    },
    values: Object.fromEntries(
      ["apart", "together", "updated", "two_nodes"].flatMap((name, variant) =>
        cpus.map((count, index) => [`${name}_${count}`, costs[variant]?.[index] ?? 0]),
      ),
    ),
  }
}
