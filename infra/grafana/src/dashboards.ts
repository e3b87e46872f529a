/** All dashboards as committed files: name → text. The only place that knows which there are. */
import type { Dashboard } from "@grafana/grafana-foundation-sdk/dashboard"
import { clusterDashboard } from "./cluster-dashboard.ts"
import { keyValueDashboard } from "./key-value-dashboard.ts"
import { machineDashboard } from "./machine-dashboard.ts"
import { memoryDashboard } from "./memory-dashboard.ts"
import { schedulersDashboard } from "./schedulers-dashboard.ts"

const DASHBOARDS: Readonly<Record<string, () => Dashboard>> = {
  "machine.json": machineDashboard,
  "memory.json": memoryDashboard,
  "key-value.json": keyValueDashboard,
  "schedulers.json": schedulersDashboard,
  "cluster.json": clusterDashboard,
}

export function dashboardFiles(): ReadonlyMap<string, string> {
  return new Map(Object.entries(DASHBOARDS).map(([name, make]) => [name, `${JSON.stringify(make(), null, 2)}\n`]))
}
