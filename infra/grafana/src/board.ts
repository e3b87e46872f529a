/** What all dashboards have in common: the choice of machines, a grid of panels three to a row, tables of traces below. */
import {
  DashboardBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  type Dashboard,
  type GridPos,
} from "@grafana/grafana-foundation-sdk/dashboard"
import { SAVED_QUERIES } from "./flows.ts"
import { exploreLink, PROMETHEUS, statusHistory, timeSeries, traceTable, type PanelSpec } from "./panels.ts"

/** Of the machines chosen at the top. */
export const M = 'machine=~"$machine"'
export const PER_SECOND = "$__rate_interval"

const WIDTH = 8
const HEIGHT = 8
const COLUMNS = 3

export type Placeless = Omit<PanelSpec, "at">
export type Table = Omit<PanelSpec, "at" | "lines">

export interface BoardSpec {
  readonly title: string
  /** Names it in links; never changes. */
  readonly uid: string
  readonly description: string
  /** Across the whole width, above all: one row a series. */
  readonly history?: Placeless
  readonly panels: readonly Placeless[]
  readonly tables: readonly Table[]
}

export function dashboardOf({ title, uid, description, history, panels, tables }: BoardSpec): Dashboard {
  const dashboard = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(["backplane"])
    .time({ from: "now-15m", to: "now" })
    .refresh("5s")
    .readonly()
    .links(SAVED_QUERIES.map(exploreLink))
    .withVariable(
      new QueryVariableBuilder("machine")
        .label("Machine")
        .datasource(PROMETHEUS)
        .query({ query: "label_values(backplane_events_total, machine)", refId: "machines" })
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true),
    )
  const top = history === undefined ? 0 : 1
  if (history !== undefined) dashboard.withPanel(statusHistory(1, { ...history, at: { x: 0, y: 0, w: 24, h: HEIGHT } }))
  panels.forEach((panel, index) => dashboard.withPanel(timeSeries(index + 1 + top, { ...panel, at: place(index, top) })))
  const below = HEIGHT * (top + Math.ceil(panels.length / COLUMNS))
  tables.forEach((table, index) =>
    dashboard.withPanel(
      traceTable(panels.length + 1 + top + index, {
        ...table,
        at: { x: (index % 2) * 12, y: below + HEIGHT * Math.floor(index / 2), w: 12, h: HEIGHT },
      }),
    ),
  )
  return dashboard.build()
}

function place(index: number, top: number): GridPos {
  return { x: (index % COLUMNS) * WIDTH, y: HEIGHT * (top + Math.floor(index / COLUMNS)), w: WIDTH, h: HEIGHT }
}

/** Median and the slowest hundredth of a histogram, by one of its labels. */
export function quantiles(metric: string, by = "policy"): PanelSpec["lines"] {
  return [0.5, 0.99].map(
    (q) => [`histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket{${M}}[${PER_SECOND}])))`, `{{${by}}} p${q * 100}`] as const,
  )
}

export function perSecond(metric: string, by: string, also = ""): readonly [string, string] {
  return [
    `sum by (${by}) (rate(${metric}{${M}}[${PER_SECOND}]))`,
    `${also}${by
      .split(", ")
      .map((label) => `{{${label}}}`)
      .join(" ")}`,
  ]
}
