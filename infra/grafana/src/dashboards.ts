/** All dashboards as committed files: name → text. The only place that knows which there are. */
import { machineDashboard } from "./machine-dashboard.ts"

export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map([["machine.json", `${JSON.stringify(machineDashboard(), null, 2)}\n`]])
}
