/** Small makers of panels, queries and links, so that a dashboard reads as the list of what it shows. */
import type { Builder } from "@grafana/grafana-foundation-sdk/cog"
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  type DataSourceRef,
  type GridPos,
  type Panel,
} from "@grafana/grafana-foundation-sdk/dashboard"
import { GraphDrawStyle, StackingMode } from "@grafana/grafana-foundation-sdk/common"
import { StackingConfigBuilder } from "@grafana/grafana-foundation-sdk/common"
import { DataqueryBuilder as PromQueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus"
import { DataqueryBuilder as TempoQueryBuilder, SearchTableType } from "@grafana/grafana-foundation-sdk/tempo"
import { PanelBuilder as StatusHistoryBuilder } from "@grafana/grafana-foundation-sdk/statushistory"
import { PanelBuilder as TableBuilder } from "@grafana/grafana-foundation-sdk/table"
import { PanelBuilder as TimeSeriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries"
import type { SavedQuery } from "./flows.ts"

/** The data sources of grafana/otel-lgtm, by the uids that it gives them. */
export const PROMETHEUS: DataSourceRef = { type: "prometheus", uid: "prometheus" }
const TEMPO: DataSourceRef = { type: "tempo", uid: "tempo" }

const TRACES_MAX = 20

export interface PanelSpec {
  readonly title: string
  readonly description: string
  readonly at: GridPos
  /** Expression and legend of each line. */
  readonly lines: readonly (readonly [expression: string, legend: string])[]
  readonly unit?: string
  readonly isStacked?: boolean
  /** TraceQL of the traces behind the panel. */
  readonly traces: string
}

export function timeSeries(id: number, spec: PanelSpec): Builder<Panel> {
  const panel = new TimeSeriesBuilder().id(id).title(spec.title).description(spec.description).gridPos(spec.at).datasource(PROMETHEUS)
  panel
    .unit(spec.unit ?? "short")
    .min(0)
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
  panel.fillOpacity(spec.isStacked === true ? 40 : 8)
  if (spec.isStacked === true) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal))
  panel.links([tracesLink(spec.traces)])
  for (const [index, line] of spec.lines.entries()) panel.withTarget(promQuery(index, line))
  return panel
}

/** One row a series, one cell a moment. */
export function statusHistory(id: number, spec: PanelSpec): Builder<Panel> {
  const panel = new StatusHistoryBuilder().id(id).title(spec.title).description(spec.description).gridPos(spec.at).datasource(PROMETHEUS)
  panel.unit(spec.unit ?? "short").links([tracesLink(spec.traces)])
  for (const [index, line] of spec.lines.entries()) panel.withTarget(promQuery(index, line))
  return panel
}

/** The last traces that match. */
export function traceTable(id: number, spec: Pick<PanelSpec, "title" | "description" | "at" | "traces">): Builder<Panel> {
  const query = new TempoQueryBuilder()
    .refId("A")
    .datasource(TEMPO)
    .queryType("traceql")
    .query(spec.traces)
    .limit(TRACES_MAX)
    .tableType(SearchTableType.Traces)
  return new TableBuilder()
    .id(id)
    .title(spec.title)
    .description(spec.description)
    .gridPos(spec.at)
    .datasource(TEMPO)
    .links([tracesLink(spec.traces)])
    .withTarget(query)
}

function promQuery(index: number, [expression, legend]: readonly [string, string]): PromQueryBuilder {
  return new PromQueryBuilder()
    .refId(String.fromCharCode(65 + index))
    .datasource(PROMETHEUS)
    .expr(expression)
    .legendFormat(legend)
    .range()
    .exemplar(true)
}

/** Restricts traces to the machines chosen at the top: for queries of panels. */
export const OF_CHOSEN_MACHINES = ' && span.backplane.machine =~ "$machine"'

/** Opens Grafana's Explore with the traces behind a panel; of all machines, since Explore knows no variables of a dashboard. */
function tracesLink(traces: string): DashboardLinkBuilder {
  return exploreLink({ title: "Traces", tooltip: "the traces behind this panel", traceql: traces.replaceAll(OF_CHOSEN_MACHINES, "") })
}

/** Opens Grafana's Explore with a query. */
export function exploreLink({ title, tooltip, traceql }: SavedQuery): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .icon("external link")
    .tooltip(tooltip)
    .url(exploreUrl(traceql))
    .targetBlank(true)
}

function exploreUrl(query: string): string {
  const pane = {
    datasource: TEMPO.uid,
    queries: [{ refId: "A", datasource: TEMPO, queryType: "traceql", query, limit: TRACES_MAX, tableType: "traces" }],
    range: { from: "now-1h", to: "now" },
  }
  return `/explore?schemaVersion=1&panes=${encodeURIComponent(JSON.stringify({ traces: pane }))}`
}
