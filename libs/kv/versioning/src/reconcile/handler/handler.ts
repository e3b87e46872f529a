/**
 * Handler. Goal: a user's rule decides. Procedure: replicas keep siblings; when a read finds more than one, the registered function
 * makes one value of them, which the next write with the read's context makes permanent. Nothing is minted by the merge itself, so two
 * readers that merge at the same time cannot make new conflicts. The function must be pure and is given the values in the order of
 * their dots, the same everywhere. Where the name is that of a service (`service:<name>`), all siblings are shown until the replicas have had it make
 * one of them (kv/replica, outside-handlers.ts). Limits: until somebody writes, each read merges again; a handler that throws is an assertion.
 */
import { SERVICE_PREFIX } from "@backplane/kv-contract/handler-messages"
import { liveValues, type Reconciler } from "../reconciler.ts"
import { allSiblings } from "../siblings/all-siblings.ts"

/** At least two concurrent values in; one out. */
export type Handler = (values: readonly string[]) => string
export type Handlers = ReadonlyMap<string, Handler>

export function handled(name: string | undefined, handlers: Handlers): Reconciler | string {
  if (name === undefined) return "policy handler needs the field handler (the name of a registered function)"
  if (name.startsWith(SERVICE_PREFIX)) return { ...allSiblings, rule: `handler ${name}` }
  const handler = handlers.get(name)
  if (handler === undefined) return `handler ${name} is not registered; registered are: ${[...handlers.keys()].join(", ") || "none"}`
  return {
    rule: `handler ${name}`,
    keep: (versions) => versions,
    read(versions) {
      const values = liveValues(versions)
      return values.length < 2 ? values : [handler(values)]
    },
    endsTogether: true,
    crdt: null,
  }
}
