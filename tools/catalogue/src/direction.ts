/**
 * Who tells whom, as the description of a message says it: `node (of the CPU) → node (of the task): hand the task over`.
 *
 * The form is a habit of the contracts; the catalogue's test refuses a message without it.
 */

/** Kind of actor as descriptions name it → kind as subjects name it. A port stands for one process in lock-step. */
export const KINDS = {
  hypervisor: "hypervisor",
  node: "node",
  scheduler: "scheduler",
  "memory controller": "memory",
  replica: "replica",
  gateway: "gateway",
  handler: "handler",
  operator: "operator",
  clock: "clock",
  port: "port-{service}",
} as const

export type KindName = keyof typeof KINDS

export interface Party {
  readonly kind: KindName
  /** The part that it plays in the conversation; null where its kind says all. */
  readonly role: string | null
}

export interface Direction {
  readonly from: Party
  readonly to: Party
  /** What the message says. */
  readonly says: string
}

const FORM = /^([a-z ]+?)(?: \(([^)]+)\))? → ([a-z ]+?)(?: \(([^)]+)\))?: (.+)$/s

/** Null where the description has another form or names a kind that there is not. */
export function directionOf(description: string): Direction | null {
  const [, from, fromRole, to, toRole, says] = FORM.exec(description) ?? []
  if (!isKind(from) || !isKind(to) || says === undefined) return null
  return { from: { kind: from, role: fromRole ?? null }, to: { kind: to, role: toRole ?? null }, says }
}

function isKind(text: string | undefined): text is KindName {
  return text !== undefined && Object.hasOwn(KINDS, text)
}

export function partyText({ kind, role }: Party): string {
  return role === null ? kind : `${kind} (${role})`
}
