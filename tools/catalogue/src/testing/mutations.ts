/** Wrong neighbours of a right value: each field, at any depth, left out or exchanged for something of another kind. */
import type { Json } from "@backplane/foundation-base/json"

const STRANGERS: readonly Json[] = [-1, 1.5, "", "No Name", true, [], {}, [{}]]

export interface Mutation {
  /** Path of what was changed, and how: for the test's message. */
  readonly what: string
  readonly value: Json
}

export function mutationsOf(value: Json, path = ""): readonly Mutation[] {
  const strangers = path === "" ? [] : STRANGERS.map((stranger) => ({ what: `${path} = ${JSON.stringify(stranger)}`, value: stranger }))
  if (Array.isArray(value)) {
    const inner = value.flatMap((item, index) =>
      mutationsOf(item as Json, `${path}/${index}`).map(({ what, value: changed }) => ({
        what,
        value: value.map((each: Json, other) => (other === index ? changed : each)),
      })),
    )
    return [...strangers, ...inner]
  }
  if (value === null || typeof value !== "object") return strangers
  const fields = Object.entries(value as Readonly<Record<string, Json>>)
  const without = fields.map(([name]) => ({
    what: `${path}/${name} left out`,
    value: Object.fromEntries(fields.filter(([other]) => other !== name)),
  }))
  const inner = fields.flatMap(([name, field]) =>
    mutationsOf(field, `${path}/${name}`).map(({ what, value: changed }) => ({ what, value: { ...value, [name]: changed } as Json })),
  )
  return [...strangers, ...without, ...inner]
}
