/** The committed dashboards against their source and the checks; works without docker. */
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { dashboardFindings } from "./dashboard-checks.ts"
import { parseDashboard, type DashboardModel } from "./dashboard-model.ts"
import { dashboardFiles } from "./dashboards.ts"

const REMEDY = "run npx nx run grafana:generate and commit the result"

export function committedFindings(folder: string): readonly string[] {
  const wanted = dashboardFiles()
  const present = readdirSync(folder).filter((name) => name.endsWith(".json"))
  return [
    ...present.filter((name) => !wanted.has(name)).map((name) => `${name}: nothing generates it; delete it`),
    ...[...wanted].flatMap(([name, text]) => {
      if (!present.includes(name)) return [`${name}: is missing; ${REMEDY}`]
      const committed = readFileSync(join(folder, name), "utf8")
      if (committed !== text) return [`${name}: differs from what its source generates; ${REMEDY}`]
      return dashboardFindings(parseDashboard(committed)).map((finding) => `${name}: ${finding}`)
    }),
  ]
}

/** The committed dashboards by file name; `committedFindings` says whether they are sound. */
export function committedDashboards(folder: string): ReadonlyMap<string, DashboardModel> {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"))
  return new Map(names.map((name) => [name, parseDashboard(readFileSync(join(folder, name), "utf8"))]))
}
