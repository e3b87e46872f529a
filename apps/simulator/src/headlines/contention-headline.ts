/** One queue against one a CPU, from 1 to 64 CPUs: the contention for the queue as the mailbox of its scheduler saw it. */
import { lineChartSvg } from "@backplane/scenario-picture/chart-svg"
import { CONTENTION_POLICIES, contentionPoint, CPU_COUNTS, SERVICE_DEFAULT } from "./contention.ts"
import type { Headline, HeadlineResult } from "./headline.ts"
import { measuredService } from "./service-time.ts"

const CYCLES_PER_MICROSECOND = 100

export const contentionHeadline: Headline = {
  name: "contention",
  claim: "one queue for all CPUs does as well as one a CPU while there are few CPUs, and is held up by its lock when there are many",
  run: (): HeadlineResult => {
    const points = CONTENTION_POLICIES.flatMap((policy) => CPU_COUNTS.map((cpus) => contentionPoint(policy, cpus)))
    const of = (policy: string, cpus: number): (typeof points)[number] | undefined =>
      points.find((point) => point.policy === policy && point.cpus === cpus)
    const [few, many] = [CPU_COUNTS[2], CPU_COUNTS[CPU_COUNTS.length - 1] ?? 64]
    const oneFew = of("sqms", few)?.throughput ?? 0
    const [one, each] = [of("sqms", many), of("mqms", many)]
    const here = measuredService()
    const micro = (cycles: number): number => cycles / CYCLES_PER_MICROSECOND
    return {
      columns: ["policy", "CPUs", "work a tick", "CPU time lost", "wait µs", "wait p99 µs", "service µs", "lock held", "queue most"],
      rows: points.map((point) => [
        ...[point.policy, point.cpus, point.throughput, `${(100 * point.lostShare).toFixed(1)} %`],
        ...[micro(point.waitMean), micro(point.waitP99), micro(point.serviceMean), `${(100 * point.heldShare).toFixed(1)} %`],
        point.mailboxLongest,
      ]),
      holds: oneFew > 0.99 * few && (one?.throughput ?? 0) < 0.95 * (each?.throughput ?? 0) && (one?.waitMean ?? 0) > (each?.waitMean ?? 0),
      verdict:
        `with ${many} CPUs one queue does ${one?.throughput.toFixed(1)} CPUs' worth of work and messages wait ${micro(one?.waitMean ?? 0).toFixed(0)} µs for its scheduler, ` +
        `a queue a CPU ${each?.throughput.toFixed(1)} and ${micro(each?.waitMean ?? 0).toFixed(0)} µs; a message takes ${micro(SERVICE_DEFAULT.perMessage)} µs and ${micro(SERVICE_DEFAULT.perEvent)} µs an event in these runs, ` +
        `on this host now ${micro(here.perMessage).toFixed(1)} and ${micro(here.perEvent).toFixed(1)} µs`,
      svg: lineChartSvg({
        title: "One queue or many: work done in a tick",
        xLabel: "CPUs",
        yLabel: "CPUs' worth of work in a tick; slices of 1 ms, one scheduler a queue",
        x: CPU_COUNTS,
        lines: CONTENTION_POLICIES.filter((policy) => policy === "sqms" || policy === "mqms").map((policy) => ({
          name: policy,
          values: CPU_COUNTS.map((cpus) => of(policy, cpus)?.throughput ?? 0),
        })),
      }),
    }
  },
}
