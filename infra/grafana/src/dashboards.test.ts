import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { committedFindings } from "./committed-checks.ts"
import { dashboardFindings, seriesAsked } from "./dashboard-checks.ts"
import { parseDashboard, type DashboardModel } from "./dashboard-model.ts"
import { dashboardFiles } from "./dashboards.ts"
import { COMPOSE_FILE, DASHBOARDS_FOLDER } from "./folder.ts"

const GENERATED = dashboardFiles().get("machine.json")!

/** The dashboard with one text of its JSON exchanged everywhere: a planted fault. */
function planted(what: string, by: string): DashboardModel {
  const escaped = (text: string): string => JSON.stringify(text).slice(1, -1)
  const text = GENERATED.replaceAll(escaped(what), escaped(by))
  expect(text).not.toBe(GENERATED)
  return parseDashboard(text)
}

describe("the committed dashboards", () => {
  it("are what their source generates, parse, and use registered names only", () => {
    expect(committedFindings(DASHBOARDS_FOLDER)).toEqual([])
  })

  it("are generated the same every time", () => {
    expect(dashboardFiles()).toEqual(dashboardFiles())
  })

  it("show what a person asks of a machine", () => {
    const titles = parseDashboard(GENERATED).panels.map(({ title }) => title)
    for (const title of [
      "Who runs where",
      "Run-queue waits",
      "Migrations",
      "Steals",
      "Leases",
      "Restarts and losses",
      "Exits by cause",
      "Telemetry",
      "Last migrations",
    ])
      expect(titles).toContain(title)
  })

  it("tell which series a real run must show", () => {
    expect(seriesAsked(parseDashboard(GENERATED))).toContain("backplane_run_queue_wait_ticks_bucket")
  })
})

describe("planted faults are caught", () => {
  it.each([
    [
      "a metric that nobody counts",
      "backplane_dispatches_total",
      "backplane_dispatched_total",
      "metric backplane_dispatched_total is not in the registry",
    ],
    ["the bucket of what is no histogram", "backplane_tasks{", "backplane_tasks_bucket{", "metric backplane_tasks_bucket is not"],
    ["a label that the metric does not have", "by (node, state)", "by (zone, state)", "label zone is none of backplane_frames"],
    ["PromQL that does not parse", "sum by (result) (rate(", "sum by (result) rate((", "PromQL: cannot be read"],
    ["TraceQL that does not parse", '{ name = "migrate" && span', "{ name = && span", "TraceQL: cannot be read"],
    ["a span that nobody opens", "sched.steal", "sched.stole", "span sched.stole is not in the registry"],
    [
      "an attribute that nobody sets",
      "span.backplane.frames",
      "span.backplane.sheets",
      "attribute backplane.sheets is not in the registry",
    ],
    ["a data source that is not there", '"uid": "prometheus"', '"uid": "mimir"', 'data source "mimir" is not there'],
  ])("%s", (_what, from, to, finding) => {
    const dashboard = from.startsWith('"uid"') ? parseDashboard(GENERATED.replaceAll(from, to)) : planted(from, to)
    expect(dashboardFindings(dashboard).join("\n")).toContain(finding)
  })

  it.each<[string, (panels: Panels) => void, string]>([
    ["panels that overlap", (panels) => void (panels[2]!.gridPos.x -= 1), '"Tasks by state" and "Run-queue waits" overlap'],
    ["a panel beyond the grid", (panels) => void (panels[0]!.gridPos.w = 25), "does not lie on the grid"],
    ["a panel that asks for nothing", (panels) => void (panels[1]!.targets = []), "asks for nothing"],
    ["two panels of one id", (panels) => void (panels[1]!.id = panels[2]!.id), "panel id 3 is there twice"],
    ["a panel without its traces", (panels) => void (panels[1]!.links = []), "has no link to traces"],
    [
      "a link to a query that does not parse",
      (panels) => void (panels[1]!.links[0]!.url = `/explore?panes=${encodeURIComponent('{"query":"{ name = "}')}`),
      "link: TraceQL",
    ],
    [
      "a link with a variable",
      (panels) => void (panels[1]!.links[0]!.url = `/explore?panes=${encodeURIComponent('{"query":"{ name =~ \\"$machine\\" }"}')}`),
      "does not know the dashboard's variables",
    ],
  ])("%s", (_what, spoil, finding) => {
    const dashboard = JSON.parse(GENERATED) as { panels: Panels }
    spoil(dashboard.panels)
    expect(dashboardFindings(parseDashboard(JSON.stringify(dashboard))).join("\n")).toContain(finding)
  })
})

type Panels = { id: number; gridPos: { x: number; w: number }; targets: unknown[]; links: { url: string }[] }[]

describe("the committed files against their source", () => {
  let folder = ""
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "backplane-dashboards-"))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it("an edit by hand, a stray file and a missing one are found", () => {
    expect(committedFindings(folder)).toEqual(
      [...dashboardFiles().keys()].map(
        (name) => expect.stringContaining(`${name}: is missing; run npx nx run grafana:generate`) as unknown,
      ),
    )
    cpSync(DASHBOARDS_FOLDER, folder, { recursive: true })
    expect(committedFindings(folder)).toEqual([])
    writeFileSync(join(folder, "old.json"), "{}")
    writeFileSync(join(folder, "machine.json"), GENERATED.replace("Machine", "machine"))
    expect(committedFindings(folder)).toEqual([
      expect.stringContaining("old.json: nothing generates it"),
      expect.stringContaining("machine.json: differs"),
    ])
  })
})

it("the container is pinned and listens on loopback only", () => {
  const compose = readFileSync(COMPOSE_FILE, "utf8")
  expect(compose).toContain("image: grafana/otel-lgtm:0.31.0\n")
  const ports = [...compose.matchAll(/^ +- "([\d.:]+)"$/gm)].map(([, port]) => port)
  expect(ports).toEqual(["127.0.0.1:3000:3000", "127.0.0.1:4317:4317", "127.0.0.1:4318:4318"])
})
