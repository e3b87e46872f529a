/** Reads the fields of an operation that came from outside; each returns undefined where the field is not what it must be. */
import type { Json } from "@backplane/foundation-base/json"
import type { BadOperation } from "./crdt-type.ts"

type JsonObject = { readonly [key: string]: Json }

function isObject(value: Json): value is JsonObject {
  return value !== null && typeof value === "object" && !Array.isArray(value)
}

export function fieldOf(operation: Json, name: string): Json | undefined {
  return isObject(operation) && Object.hasOwn(operation, name) ? operation[name] : undefined
}

export function textField(operation: Json, name: string): string | undefined {
  const value = fieldOf(operation, name)
  return typeof value === "string" ? value : undefined
}

/** The field `by`: a whole number, at least 1; 1 where it is left out. */
export function amountField(operation: Json): number | undefined {
  const value = fieldOf(operation, "by") ?? 1
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 ? value : undefined
}

export function bad(expected: string): BadOperation {
  return { bad: `send ${expected}` }
}
