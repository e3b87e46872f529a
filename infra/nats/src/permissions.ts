/**
 * Who may say and hear what on the bus: one table, from which the server's configuration is made.
 *
 * The subject of a message is `bp.<machine>.<toKind>.<toIndex>.<fromKind>.<fromIndex>`. A service may publish only under
 * the kinds of actor that it hosts, so nobody speaks in another's name, and only to the kinds listed here; it may listen
 * only to what is for its own kinds. The machine is a wildcard: services are shared by machines, and an actor hears only
 * the machine that it belongs to. Everything not listed is refused by the server.
 */

/** One kind of process, which is one NATS user. */
export interface ServiceRule {
  /** The name of the user and of the service. */
  readonly user: string
  /** Kinds of actor that such a process hosts: the only ones it may speak as and listen for. */
  readonly hosts: readonly string[]
  /** Kinds of actor that its actors talk to. */
  readonly talksTo: readonly string[]
  /** `operator`: may ask any service to host, report and stop, and hears who is alive. */
  readonly role?: "operator"
}

/** The lock-step port of a service has the service's name in its kind: a port cannot speak for another service's. */
function portKind(user: string): string {
  return `port-${user}`
}

const CLOCK = "clock"

export const SERVICE_RULES: readonly ServiceRule[] = [
  {
    user: "hypervisor",
    hosts: ["hypervisor", CLOCK],
    talksTo: ["hypervisor", "node", "scheduler", "memory", "replica", "console", "gateway", "operator", "member"],
    // Creates machines: asks the other services to host their parts.
    role: "operator",
  },
  { user: "cpu-scheduler", hosts: ["scheduler"], talksTo: ["node", "scheduler", "hypervisor", "operator"] },
  { user: "memory-controller", hosts: ["memory"], talksTo: ["node", "memory", "hypervisor", "replica", "gateway", "operator"] },
  { user: "numa-node", hosts: ["node"], talksTo: ["node", "scheduler", "memory", "hypervisor", "replica", "operator"] },
  { user: "kv-shard", hosts: ["replica"], talksTo: ["replica", "gateway", "handler", "hypervisor", "node", "memory", "operator"] },
  // Users' own services, in any language: what they make of concurrent values.
  { user: "handler", hosts: ["handler"], talksTo: ["replica"] },
  {
    user: "gateway",
    hosts: ["gateway", "console"],
    talksTo: ["gateway", "hypervisor", "replica", "scheduler", "memory", "node"],
    role: "operator",
  },
  {
    user: "operator",
    hosts: ["operator"],
    talksTo: ["hypervisor", "node", "scheduler", "memory", "replica", "gateway", CLOCK],
    role: "operator",
  },
]

export interface UserPermissions {
  readonly user: string
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/** Requests to make, list and end whole machines: answered by the hypervisor service. */
export const MACHINES_SUBJECT = "bp.ctl.machines"

/** Everything between machines and kinds is written with `*`, so the list grows with kinds, never with actors. */
export function permissionsOf(rule: ServiceRule, all: readonly ServiceRule[] = SERVICE_RULES): UserPermissions {
  const { user, hosts, talksTo } = rule
  const port = portKind(user)
  const ports = all.map((each) => portKind(each.user))
  const publish = hosts.flatMap((from) => talksTo.map((to) => `bp.*.${to}.*.${from}.*`))
  // Lock-step: a port talks to the clock and asks other ports to send again; the clock grants to every port.
  publish.push(`bp.*.${CLOCK}.*.${port}.*`, ...ports.map((to) => `bp.*.${to}.*.${port}.*`))
  if (hosts.includes(CLOCK)) publish.push(...ports.map((to) => `bp.*.${to}.*.${CLOCK}.*`))
  publish.push(`bp.ctl.alive.${user}`)
  const subscribe = [...hosts, port].map((kind) => `bp.*.${kind}.>`)
  subscribe.push("bp.ctl.host.*", "$SRV.>", `${inboxPrefix(user)}.>`)
  if (user === "hypervisor") subscribe.push(MACHINES_SUBJECT)
  if (rule.role === "operator") {
    publish.push("bp.ctl.host.*", MACHINES_SUBJECT, "$SRV.>")
    subscribe.push("bp.ctl.alive.*")
  }
  return { user, publish: [...new Set(publish)], subscribe: [...new Set(subscribe)] }
}

/** Answers to a user's requests come here: each has its own, so nobody reads another's. */
export function inboxPrefix(user: string): string {
  return `_INBOX_${user.replaceAll("-", "_")}`
}
