/** `npx nx run grafana:check`: says what is wrong with the committed dashboards and leaves with 1 where anything is. */
import { committedFindings } from "./committed-checks.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"

const findings = committedFindings(DASHBOARDS_FOLDER)
for (const finding of findings) console.error(finding)
console.log(
  findings.length === 0
    ? "grafana: dashboards are as generated, all queries parse, all names are registered"
    : `grafana: ${findings.length} findings`,
)
process.exitCode = findings.length === 0 ? 0 : 1
