/**
 * `npx nx run grafana:check`: says what is wrong with the committed dashboards and leaves with 1 where anything is.
 * With `--live URL` (of a gateway, such as http://127.0.0.1:4380) also: what the dashboards ask for and that stack never told.
 */
import { parseArgs } from "node:util"
import { committedDashboards, committedFindings } from "./committed-checks.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"
import { fetchLiveRun } from "./live-run.ts"
import { liveFindings } from "./live-check.ts"

async function check(live: string | undefined): Promise<boolean> {
  const findings = committedFindings(DASHBOARDS_FOLDER)
  for (const finding of findings) console.error(finding)
  console.log(
    findings.length === 0
      ? "grafana: dashboards are as generated, all queries parse, all names are registered"
      : `grafana: ${findings.length} findings`,
  )
  if (live === undefined || findings.length > 0) return findings.length === 0
  const { missing, rare } = liveFindings(committedDashboards(DASHBOARDS_FOLDER), await fetchLiveRun(live))
  for (const each of rare) console.log(`not in this run: ${each}`)
  for (const each of missing) console.error(each)
  console.log(missing.length === 0 ? `grafana: ${live} told what the dashboards ask for` : `grafana: ${missing.length} findings in ${live}`)
  return missing.length === 0
}

try {
  const { values } = parseArgs({ options: { live: { type: "string" } } })
  process.exitCode = (await check(values.live)) ? 0 : 1
} catch (error) {
  console.error(
    `grafana:check: ${error instanceof Error ? error.message : String(error)}; use --live http://127.0.0.1:4380 with a stack that runs`,
  )
  process.exitCode = 2
}
