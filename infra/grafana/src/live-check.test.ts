/** What a running stack must have told for the dashboards to show something; each planted fault is found. */
import { describe, expect, it } from "vitest"
import { committedDashboards } from "./committed-checks.ts"
import { seriesAsked, spansAsked } from "./dashboard-checks.ts"
import { parseDashboard, type DashboardModel } from "./dashboard-model.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"
import { liveFindings } from "./live-check.ts"

const BOARDS = committedDashboards(DASHBOARDS_FOLDER)
const SERIES = [...new Set([...BOARDS.values()].flatMap(seriesAsked))]
const SPANS = new Set([...BOARDS.values()].flatMap(spansAsked))
const EXEMPLAR = `# {trace_id="${"a".repeat(32)}",span_id="${"b".repeat(16)}"} 3 1700000000.000`

const told = (series: readonly string[], exemplar = EXEMPLAR): string =>
  series.map((name) => `${name}{machine="m"} 1${name.endsWith("_bucket") ? ` ${exemplar}` : ""}\n`).join("")
const all = { openMetrics: told(SERIES), hasSpan: (name: string) => SPANS.has(name) }

describe("dashboards against a run", () => {
  it("are content with a run that told everything", () => {
    expect(liveFindings(BOARDS, all)).toEqual({ missing: [], rare: [] })
    expect(SERIES.length).toBeGreaterThan(40)
    expect(SPANS.size).toBeGreaterThan(15)
  })

  it("ask for the spans of the three promised flows, each at the top of every dashboard", () => {
    for (const board of BOARDS.values()) {
      expect(spansAsked(board)).toEqual(expect.arrayContaining(["trap {cause}", "migrate", "kv.reconcile {kind}"]))
    }
  })

  it.each<[string, Partial<typeof all>, string]>([
    [
      "a series that nothing emits",
      { openMetrics: told(SERIES.filter((name) => name !== "backplane_tasks")) },
      "machine.json: series backplane_tasks: nothing in this run made one",
    ],
    [
      "a span that nothing opens",
      { hasSpan: (name) => name !== "migrate" && SPANS.has(name) },
      "span migrate: nothing in this run made one",
    ],
    ["latencies without exemplars", { openMetrics: told(SERIES, "") }, "series backplane_run_queue_wait_ticks_bucket has no exemplar"],
    ["nothing at all", { openMetrics: "# EOF\n", hasSpan: () => false }, "series backplane_dispatches_total: nothing"],
  ])("find %s", (_what, run, finding) => {
    expect(liveFindings(BOARDS, { ...all, ...run }).missing.join("\n")).toContain(finding)
  })

  it("tell apart what a sound run does not have", () => {
    const run = { ...all, openMetrics: told(SERIES.filter((name) => name !== "backplane_actor_restarts_total")) }
    const { missing, rare } = liveFindings(BOARDS, run)
    expect(missing).toEqual([])
    expect(rare.join("\n")).toContain("series backplane_actor_restarts_total: appears when a service was killed")
  })

  it("find a panel that was given a name that only looks right", () => {
    const machine = parseDashboard(JSON.stringify({ panels: [panel("sum(rate(backplane_dispatch_total[1m]))")] }))
    const boards = new Map<string, DashboardModel>([["planted.json", machine]])
    expect(liveFindings(boards, all).missing).toEqual(["planted.json: series backplane_dispatch_total: nothing in this run made one"])
  })
})

function panel(expr: string): object {
  return { id: 1, title: "t", gridPos: { x: 0, y: 0, w: 8, h: 8 }, targets: [{ datasource: { uid: "prometheus" }, expr }], links: [] }
}
