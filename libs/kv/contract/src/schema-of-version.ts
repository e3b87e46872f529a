/** The contract as an earlier program has it: without what came later (`since` of a field or a message), and with nothing open where nothing was. */
import type { TSchema } from "typebox"
import { WIRE_VERSION_FIRST } from "./forms.ts"
import { kvMessages } from "./kv-messages.ts"

interface Node {
  readonly [name: string]: unknown
}

/** Since which version there is this field or message; 1 where it says nothing. */
function sinceOf(schema: unknown): number {
  const { since } = schema as { readonly since?: number }
  return since ?? WIRE_VERSION_FIRST
}

/** The messages of that version by kind. */
export function messagesOfVersion(version: number): ReadonlyMap<string, TSchema> {
  const known = Object.entries(kvMessages).filter(([, schema]) => sinceOf(schema) <= version)
  return new Map(known.map(([kind, schema]) => [kind, schemaOf(schema, version) as TSchema]))
}

function schemaOf(schema: unknown, version: number): unknown {
  if (Array.isArray(schema)) return schema.map((each: unknown) => schemaOf(each, version))
  if (schema === null || typeof schema !== "object") return schema
  const node = schema as Node
  const made: Record<string, unknown> = {}
  // TypeBox keeps what a schema is under names that are not enumerable: they are carried over as they are.
  for (const name of Object.getOwnPropertyNames(node)) {
    const value = name === "properties" ? propertiesOf(node[name] as Node, version) : schemaOf(node[name], version)
    Object.defineProperty(made, name, {
      value,
      writable: true,
      enumerable: Object.prototype.propertyIsEnumerable.call(node, name),
    })
  }
  if (node["type"] === "object" && "properties" in node && version === WIRE_VERSION_FIRST) made["additionalProperties"] = false
  return made
}

function propertiesOf(properties: Node, version: number): Node {
  const left = Object.entries(properties).filter(([, schema]) => sinceOf(schema) <= version)
  return Object.fromEntries(left.map(([name, schema]) => [name, schemaOf(schema, version)]))
}
