/**
 * `npx nx run grafana:check`: says what is wrong with the committed dashboards and leaves with 1 where anything is.
 * With `--live URL` (of a gateway, such as http://127.0.0.1:4380) also: what the dashboards ask for and that stack never told.
 * With `--prometheus` as well: a real Prometheus scrapes that gateway for a while, and every panel's query is put to it.
 */
import { parseArgs } from "node:util"
import { committedDashboards, committedFindings } from "./committed-checks.ts"
import { DASHBOARDS_FOLDER } from "./folder.ts"
import { fetchLiveRun } from "./live-run.ts"
import { liveFindings, type LiveFindings } from "./live-check.ts"
import { prometheusFindings } from "./prometheus-check.ts"
import { withPrometheus } from "./prometheus.ts"

async function check(live: string | undefined, withReal: boolean): Promise<boolean> {
  const findings = committedFindings(DASHBOARDS_FOLDER)
  for (const finding of findings) console.error(finding)
  console.log(
    findings.length === 0
      ? "grafana: dashboards are as generated, all queries parse, all names are registered"
      : `grafana: ${findings.length} findings`,
  )
  if (live === undefined || findings.length > 0) return findings.length === 0
  const boards = committedDashboards(DASHBOARDS_FOLDER)
  const told = say(liveFindings(boards, await fetchLiveRun(live)), `${live} told what the dashboards ask for`)
  if (!withReal) return told
  const answered = await withPrometheus(live, (ask) => prometheusFindings(boards, ask))
  return say(answered, "Prometheus takes every query, and each brings something") && told
}

function say({ missing, rare }: LiveFindings, sound: string): boolean {
  for (const each of rare) console.log(`not in this run: ${each}`)
  for (const each of missing) console.error(each)
  console.log(missing.length === 0 ? `grafana: ${sound}` : `grafana: ${missing.length} findings`)
  return missing.length === 0
}

try {
  const { values } = parseArgs({ options: { live: { type: "string" }, prometheus: { type: "boolean", default: false } } })
  if (values.prometheus && values.live === undefined) throw new Error("--prometheus needs --live")
  process.exitCode = (await check(values.live, values.prometheus)) ? 0 : 1
} catch (error) {
  console.error(
    `grafana:check: ${error instanceof Error ? error.message : String(error)}; use --live http://127.0.0.1:4380 with a stack that runs`,
  )
  process.exitCode = 2
}
