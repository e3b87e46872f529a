/** A node that does not take in what it hears of some kinds: as one of the version before that refuses a message by its schema, or behind a bus that loses it. */
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Body, Machine } from "@backplane/foundation-actor/machine"

export function deafNode(node: Machine, misses: (body: Body, now: VirtualTime) => boolean): Machine {
  const step = node.step.bind(node)
  return Object.assign(node, {
    step: (...[now, input]: Parameters<typeof step>) => (input.kind === "message" && misses(input.body, now) ? [] : step(now, input)),
  })
}

/** The version before VMs over several nodes has no field for that. */
export function placesSpan(body: Body): boolean {
  return body.kind === "VmPlace" && (body as Body & { readonly vm: { readonly span?: unknown } }).vm.span !== undefined
}
