/** A JSON Schema as a few words for people: `text, 1 to 64`, `whole number, 0 to 63`, `list (at most 256) of: …`. */
import type { TSchema } from "typebox"

export interface FieldRow {
  readonly path: string
  readonly type: string
  readonly description: string
}

type Bag = Readonly<Record<string, unknown>>

/** The fields of a message, those of objects within it below their own; what names the message or the variant is left out. */
export function fieldRows(schema: TSchema): readonly FieldRow[] {
  return rowsOf(schema, "", new Map())
}

/** `told`: objects whose fields stand above already, by their JSON, with the path where. */
function rowsOf(schema: object, prefix: string, told: Map<string, string>): readonly FieldRow[] {
  const bag = bagOf(schema)
  const required = new Set(listOf(bag["required"]).map(String))
  return Object.entries(bagOf(bag["properties"])).flatMap(([name, value]) => {
    if (TAGS.includes(name) && bagOf(value)["const"] !== undefined && (prefix !== "" || name === "kind")) return []
    const path = `${prefix}${name}`
    const missing = required.has(name) ? "" : "may be missing; "
    const above = bagOf(value)["properties"] === undefined ? undefined : told.get(JSON.stringify(value))
    const type = above === undefined ? typeText(value) : `object, as \`${above}\``
    const row: FieldRow = { path, type: `${missing}${type}`, description: text(bagOf(value)["description"]) }
    return above === undefined ? [row, ...innerRows(value, path, told)] : [row]
  })
}

const TAGS = ["type", "op", "kind"]

/** Rows of what lies inside a field: an object, the objects of a list, the variants of either. */
function innerRows(value: unknown, path: string, told: Map<string, string>): readonly FieldRow[] {
  const bag = bagOf(value)
  const items = bag["items"]
  if (bag["type"] === "array" && items !== undefined && !Array.isArray(items)) return innerRows(items, `${path}[]`, told)
  const variants = listOf(bag["anyOf"])
  if (variants.length > 0) return variants.flatMap((variant) => innerRows(variant, `${path}${variantMark(variant)}`, told))
  if (bag["properties"] === undefined) return []
  told.set(JSON.stringify(value), path)
  return rowsOf(bag, `${path}.`, told)
}

function variantMark(variant: unknown): string {
  const tag = variantTag(variant)
  return tag === null ? "" : `(${tag})`
}

/** `RUN` for {type: "RUN", …}. */
function variantTag(variant: unknown): string | null {
  const properties = bagOf(bagOf(variant)["properties"])
  for (const name of TAGS) {
    const value = bagOf(properties[name])["const"]
    if (typeof value === "string") return value
  }
  return null
}

export function typeText(value: unknown): string {
  const bag = bagOf(value)
  if (bag["const"] !== undefined) return `\`${JSON.stringify(bag["const"])}\``
  const choices = listOf(bag["enum"])
  if (choices.length > 0) return choices.map((each) => `\`${String(each)}\``).join(", ")
  const variants = listOf(bag["anyOf"])
  if (variants.length > 0) return [...new Set(variants.map((variant) => variantTag(variant) ?? typeText(variant)))].join(" or ")
  switch (bag["type"]) {
    case "integer":
      return `whole number${rangeText(bag["minimum"], bag["maximum"])}`
    case "number":
      return `number${rangeText(bag["minimum"], bag["maximum"])}`
    case "string":
      return `text${rangeText(bag["minLength"], bag["maxLength"])}${typeof bag["pattern"] === "string" ? ` \`${bag["pattern"].replaceAll("|", "\\|")}\`` : ""}`
    case "boolean":
      return "true or false"
    case "null":
      return "null"
    case "array":
      return arrayText(bag)
    case "object":
      return bag["patternProperties"] === undefined ? "object" : "object by name"
    default:
      return "anything"
  }
}

function arrayText(bag: Bag): string {
  const { items, maxItems } = bag
  if (Array.isArray(items)) return `[${items.map(typeText).join("; ")}]`
  return `list${typeof maxItems === "number" ? ` (at most ${maxItems})` : ""} of: ${typeText(items)}`
}

function rangeText(least: unknown, most: unknown): string {
  const max = typeof most === "number" && most < Number.MAX_SAFE_INTEGER ? most : null
  if (typeof least === "number" && max !== null) return `, ${least} to ${max}`
  if (max !== null) return `, at most ${max}`
  return typeof least === "number" ? `, at least ${least}` : ""
}

function text(value: unknown): string {
  return typeof value === "string" ? value : ""
}

function bagOf(value: unknown): Bag {
  return value !== null && typeof value === "object" ? (value as Bag) : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
