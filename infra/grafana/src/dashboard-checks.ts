/** What is wrong with a dashboard that nobody has opened yet: queries, names, data sources, layout. Each finding names the panel. */
import type { DashboardModel, PanelModel, TargetModel } from "./dashboard-model.ts"
import { promqlFindings, seriesOf, spansOf, traceqlFindings } from "./queries.ts"

/** Data sources of grafana/otel-lgtm, and who checks what is asked of them. */
const DATASOURCES: ReadonlyMap<string, (expression: string) => readonly string[]> = new Map([
  ["prometheus", promqlFindings],
  ["tempo", traceqlFindings],
])

/** Grafana's grid is 24 columns wide. */
const GRID_COLUMNS = 24

export function dashboardFindings(dashboard: DashboardModel): readonly string[] {
  return [
    ...dashboard.panels.flatMap((panel) => panelFindings(panel).map((finding) => `panel "${panel.title}": ${finding}`)),
    ...dashboard.variables.flatMap((variable) => variableFindings(variable).map((finding) => `variable: ${finding}`)),
    ...dashboard.links.flatMap(linkFindings).map((finding) => `top: ${finding}`),
    ...overlaps(dashboard.panels),
    ...repeated(dashboard.panels.map((panel) => String(panel.id))).map((id) => `panel id ${id} is there twice`),
    ...repeated(dashboard.panels.map((panel) => panel.title)).map((title) => `panel title ${title} is there twice`),
  ]
}

/** Every series that some panel asks Prometheus for, sorted. */
export function seriesAsked(dashboard: DashboardModel): readonly string[] {
  const asked = dashboard.panels.flatMap((panel) =>
    panel.targets.filter(({ datasource }) => datasource === "prometheus").flatMap(({ expression }) => seriesOf(expression)),
  )
  return [...new Set(asked)].sort((a, b) => (a < b ? -1 : 1))
}

/** Every span that some panel or link asks Tempo for by name, sorted. */
export function spansAsked(dashboard: DashboardModel): readonly string[] {
  const queries = [
    ...dashboard.panels
      .flatMap(({ targets }) => targets.filter(({ datasource }) => datasource === "tempo"))
      .map(({ expression }) => expression),
    ...[...dashboard.links, ...dashboard.panels.flatMap(({ links }) => links)].flatMap(linkQueries),
  ]
  return [...new Set(queries.flatMap(spansOf))].sort((a, b) => (a < b ? -1 : 1))
}

function panelFindings(panel: PanelModel): readonly string[] {
  const { x, y, w, h } = panel.at
  const isInside = x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= GRID_COLUMNS
  return [
    ...(isInside ? [] : ["does not lie on the grid"]),
    ...(panel.targets.length === 0 ? ["asks for nothing"] : []),
    ...(panel.links.length === 0 ? ["has no link to traces"] : []),
    ...panel.targets.flatMap(targetFindings),
    ...panel.links.flatMap(linkFindings),
  ]
}

function targetFindings(target: TargetModel): readonly string[] {
  const check = DATASOURCES.get(target.datasource)
  return check === undefined
    ? [`data source "${target.datasource}" is not there; there are ${[...DATASOURCES.keys()].join(", ")}`]
    : check(target.expression)
}

/** `label_values(metric, label)` is Grafana's, not PromQL's. */
function variableFindings(variable: TargetModel): readonly string[] {
  const [, metric, label] = /^label_values\(([^,()]+),\s*(\w+)\)$/.exec(variable.expression) ?? []
  if (metric === undefined || label === undefined) return [`is not label_values(metric, label): ${variable.expression}`]
  return targetFindings({ ...variable, expression: `sum by (${label}) (${metric})` })
}

function linkFindings(url: string): readonly string[] {
  const queries = linkQueries(url)
  if (!url.startsWith("/explore?")) return [`link is not to Explore: ${url}`]
  if (queries.length === 0) return [`link asks for nothing: ${url}`]
  return queries.flatMap((query) => [
    ...traceqlFindings(query).map((finding) => `link: ${finding}`),
    ...(query.includes("$") ? [`link: Explore does not know the dashboard's variables: ${query}`] : []),
  ])
}

/** The TraceQL of a link to Explore. */
function linkQueries(url: string): readonly string[] {
  const panes = URL.parse(url, "http://grafana")?.searchParams.get("panes") ?? ""
  return [...panes.matchAll(/"query":"((?:[^"\\]|\\.)*)"/g)].map(([, query]) => String(JSON.parse(`"${query}"`)))
}

function overlaps(panels: readonly PanelModel[]): readonly string[] {
  return panels.flatMap((a, index) =>
    panels
      .slice(index + 1)
      .filter((b) => a.at.x < b.at.x + b.at.w && b.at.x < a.at.x + a.at.w && a.at.y < b.at.y + b.at.h && b.at.y < a.at.y + a.at.h)
      .map((b) => `panels "${a.title}" and "${b.title}" overlap`),
  )
}

function repeated(values: readonly string[]): readonly string[] {
  return values.filter((value, index) => values.indexOf(value) !== index)
}
