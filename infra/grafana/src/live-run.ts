/** What a running stack's gateway tells: its metrics, and which spans its collector has seen. */
import { SPANS } from "@backplane/foundation-telemetry/registry/spans"
import type { LiveRun } from "./live-check.ts"

const DEADLINE_MILLISECONDS = 10_000
const TRACES_MAX = 1000

/** Throws where the gateway does not answer in time. */
export async function fetchLiveRun(gateway: string): Promise<LiveRun> {
  const base = gateway.replace(/\/+$/, "")
  const openMetrics = await (await get(`${base}/metrics`, "application/openmetrics-text")).text()
  const seen = new Set<string>()
  for (const name of Object.keys(SPANS)) {
    if (name.includes("{")) continue
    if ((await tracesWith(base, name)).length > 0) seen.add(name)
  }
  // Of names with a variable word only the roots can be asked for: the newest traces tell them.
  for (const { root } of await tracesWith(base, null)) seen.add(kindOf(root))
  return { openMetrics, hasSpan: (name) => seen.has(name) }
}

async function tracesWith(base: string, span: string | null): Promise<readonly { readonly root: string }[]> {
  const query = span === null ? `limit=${TRACES_MAX}` : `limit=1&span=${encodeURIComponent(span)}`
  return ((await (await get(`${base}/api/traces?${query}`)).json()) as { traces: readonly { readonly root: string }[] }).traces
}

/** `trap ecall-from-user` → `trap {cause}`: a registered name with a variable word, or the name itself. */
function kindOf(root: string): string {
  return Object.keys(SPANS).find((name) => name.includes("{") && root.startsWith(name.slice(0, name.indexOf("{")))) ?? root
}

async function get(url: string, accept = "application/json"): Promise<Response> {
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(DEADLINE_MILLISECONDS) })
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return response
}
