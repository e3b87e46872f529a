/** What Prometheus says to a dashboard's queries becomes findings; each planted fault is found. */
import { describe, expect, it } from "vitest"
import { committedDashboards } from "./committed-checks.ts"
import type { DashboardModel } from "./dashboard-model.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"
import { asGrafanaPutsIt, prometheusFindings, type AskPrometheus } from "./prometheus-check.ts"

const BOARDS = committedDashboards(DASHBOARDS_FOLDER)
const some: AskPrometheus = () => Promise.resolve({ samples: 1 })
const board = (expression: string): ReadonlyMap<string, DashboardModel> =>
  new Map([
    [
      "planted.json",
      {
        panels: [{ id: 1, title: "p", at: { x: 0, y: 0, w: 8, h: 8 }, targets: [{ datasource: "prometheus", expression }], links: [] }],
        variables: [],
        links: [],
      },
    ],
  ])

describe("queries put to a Prometheus", () => {
  it("are all of the dashboards' own, without a variable left in them", async () => {
    const asked: string[] = []
    const ask: AskPrometheus = (expression) => (asked.push(expression), some(expression))
    expect(await prometheusFindings(BOARDS, ask)).toEqual({ missing: [], rare: [] })
    expect(asked.length).toBeGreaterThan(40)
    expect(asked.filter((each) => each.includes("$"))).toEqual([])
  })

  it("keep their ranges and select every machine", () => {
    expect(asGrafanaPutsIt('rate(a{machine=~"$machine"}[$__rate_interval])')).toBe('rate(a{machine=~".*"}[15s])')
  })

  it.each<[string, string, AskPrometheus, string]>([
    ["that Prometheus refuses", "up", () => Promise.resolve({ error: "many-to-many matching" }), "Prometheus refuses up: many-to-many"],
    ["that bring nothing", "backplane_tasks", () => Promise.resolve({ samples: 0 }), "backplane_tasks brings nothing"],
    ["of a rare series that are refused", "backplane_cpu_watts", () => Promise.resolve({ error: "parse" }), "Prometheus refuses"],
  ])("%s are found", async (_what, expression, ask, finding) => {
    expect((await prometheusFindings(board(expression), ask)).missing.join()).toContain(finding)
  })

  it.each([["backplane_cpu_watts"], ['sum(rate(backplane_task_events_total{outcome=~"lost|restarted"}[1m]))']])(
    "that only trouble answers are told apart: %s",
    async (expression) => {
      const { missing, rare } = await prometheusFindings(board(expression), () => Promise.resolve({ samples: 0 }))
      expect(missing).toEqual([])
      expect(rare).toHaveLength(1)
    },
  )
})
