/** What a running stack's gateway tells: its metrics, and which spans its collector has seen. */
import { flows } from "@backplane/foundation-telemetry/registry/registry"
import { SPANS } from "@backplane/foundation-telemetry/registry/spans"
import type { LiveRun } from "./live-check.ts"

const DEADLINE_MILLISECONDS = 10_000

/** Throws where the gateway does not answer in time. */
export async function fetchLiveRun(gateway: string): Promise<LiveRun> {
  const base = gateway.replace(/\/+$/, "")
  const openMetrics = await (await get(`${base}/metrics`, "application/openmetrics-text")).text()
  const seen = new Set<string>()
  for (const name of Object.keys(SPANS)) {
    if (!name.includes("{") && (await tracesWith(base, name)) > 0) seen.add(name)
  }
  // The collector finds whole names; those with a variable word are found through the flows that they stand for.
  for (const flow of flows().keys()) for (const name of await lastOf(base, flow)) seen.add(kindOf(name))
  return { openMetrics, hasSpan: (name) => seen.has(name) }
}

async function tracesWith(base: string, span: string): Promise<number> {
  const answer = await get(`${base}/api/traces?limit=1&span=${encodeURIComponent(span)}`)
  return ((await answer.json()) as { traces: readonly unknown[] }).traces.length
}

/** Names of the spans in the newest trace of a flow; none where there was none yet. */
async function lastOf(base: string, flow: string): Promise<readonly string[]> {
  const answer = await fetch(`${base}/api/traces/last/${flow}`, { signal: AbortSignal.timeout(DEADLINE_MILLISECONDS) })
  return answer.ok ? ((await answer.json()) as { spans: readonly { readonly name: string }[] }).spans.map(({ name }) => name) : []
}

/** `trap ecall-from-user` → `trap {cause}`: a registered name with a variable word, or the name itself. */
function kindOf(span: string): string {
  return Object.keys(SPANS).find((name) => name.includes("{") && span.startsWith(name.slice(0, name.indexOf("{")))) ?? span
}

async function get(url: string, accept = "application/json"): Promise<Response> {
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(DEADLINE_MILLISECONDS) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response
}
