/** Writes the dashboards' JSON: `npx nx run grafana:generate`. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { dashboardFiles } from "./dashboards.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"

mkdirSync(DASHBOARDS_FOLDER, { recursive: true })
for (const [name, text] of dashboardFiles()) {
  writeFileSync(join(DASHBOARDS_FOLDER, name), text)
  console.log(`dashboards/${name}`)
}
