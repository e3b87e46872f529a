/** A dashboard's JSON as far as the checks read it; parsed once, with an error that names the file and the field. */

export interface PanelModel {
  readonly id: number
  readonly title: string
  readonly at: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets: readonly TargetModel[]
  readonly links: readonly string[]
}

export interface TargetModel {
  readonly datasource: string
  readonly expression: string
}

export interface DashboardModel {
  readonly panels: readonly PanelModel[]
  /** Queries of the variables at the top. */
  readonly variables: readonly TargetModel[]
  /** Addresses of the links at the top. */
  readonly links: readonly string[]
}

export function parseDashboard(text: string): DashboardModel {
  const root = record(JSON.parse(text), "dashboard")
  const templating = record(root["templating"] ?? {}, "templating")
  return {
    links: list(root["links"] ?? [], "links").map((link, index) => text_(record(link, `links[${index}]`)["url"], `links[${index}].url`)),
    panels: list(root["panels"], "panels").map((panel, index) => panelOf(record(panel, `panels[${index}]`), `panels[${index}]`)),
    variables: list(templating["list"] ?? [], "templating.list").map((variable, index) => {
      const fields = record(variable, `templating.list[${index}]`)
      const query = record(fields["query"], `templating.list[${index}].query`)
      return { datasource: datasourceOf(fields), expression: text_(query["query"], `templating.list[${index}].query.query`) }
    }),
  }
}

function panelOf(panel: Readonly<Record<string, unknown>>, path: string): PanelModel {
  const at = record(panel["gridPos"], `${path}.gridPos`)
  return {
    id: number_(panel["id"], `${path}.id`),
    title: text_(panel["title"], `${path}.title`),
    at: {
      x: number_(at["x"], `${path}.gridPos.x`),
      y: number_(at["y"], `${path}.gridPos.y`),
      w: number_(at["w"], `${path}.gridPos.w`),
      h: number_(at["h"], `${path}.gridPos.h`),
    },
    targets: list(panel["targets"] ?? [], `${path}.targets`).map((target, index) => {
      const fields = record(target, `${path}.targets[${index}]`)
      return { datasource: datasourceOf(fields), expression: text_(fields["expr"] ?? fields["query"], `${path}.targets[${index}].expr`) }
    }),
    links: list(panel["links"] ?? [], `${path}.links`).map((link, index) =>
      text_(record(link, `${path}.links[${index}]`)["url"], `${path}.links[${index}].url`),
    ),
  }
}

function datasourceOf(fields: Readonly<Record<string, unknown>>): string {
  return String(record(fields["datasource"] ?? {}, "datasource")["uid"] ?? "")
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${path} is an object`)
  return value as Readonly<Record<string, unknown>>
}

function list(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${path} is a list`)
  return value
}

function text_(value: unknown, path: string): string {
  if (typeof value !== "string") throw new Error(`${path} is text`)
  return value
}

function number_(value: unknown, path: string): number {
  if (typeof value !== "number") throw new Error(`${path} is a number`)
  return value
}
