/** The three promised flows as saved TraceQL queries: each dashboard has them at its top, as links to Explore. */
import { flows } from "@backplane/foundation-telemetry/registry/registry"

export interface SavedQuery {
  readonly title: string
  readonly tooltip: string
  readonly traceql: string
}

export const SAVED_QUERIES: readonly SavedQuery[] = [
  saved("trap", "Traps", "system calls and faults of guests: from the trap over the VMM to the instruction at which the guest goes on"),
  saved("migration", "Migrations", "tasks, vCPUs and pages that moved: who decided, who gave, who took"),
  saved(
    "reconciliation",
    "Reconciliations",
    "keys whose replicas differed: the conflicting writes (links), the rule, the winner or the siblings",
  ),
]

/** All spans that the registry names for the flow; a variable word of a name matches anything. */
function saved(flow: string, title: string, tooltip: string): SavedQuery {
  const names = (flows().get(flow) ?? []).map((name) =>
    name.includes("{") ? `name =~ "${name.replace(/\{\w+\}/, ".*")}"` : `name = "${name}"`,
  )
  return { title, tooltip, traceql: `{ ${names.join(" || ")} }` }
}
