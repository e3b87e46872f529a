/** What a schema finds wrong with a user's input, in words that name the field and say what to write instead. */
import { Rejection } from "./rejection.ts"

/** As typebox tells it. */
export interface SchemaError {
  readonly instancePath: string
  readonly keyword: string
  readonly message: string
  readonly params: object
}

export function rejectionOf(error: SchemaError): Rejection {
  return new Rejection(fieldOf(error), reasonOf(error))
}

/** A field too many fails against the schema `false`; of a choice the names are in the parameters only. */
export function reasonOf({ keyword, message, params }: SchemaError): string {
  if (keyword === "boolean" || keyword === "additionalProperties") return "there is no such field; leave it out"
  if ("allowedValues" in params && Array.isArray(params.allowedValues))
    return `there is no such one; give one of ${params.allowedValues.join(", ")}`
  return message
}

/** `/jobs/0/name` → `jobs[0].name`; the name of a field that is missing, or one too many, is not in the path. */
function fieldOf({ instancePath, params }: SchemaError): string {
  const parts = instancePath.split("/").filter((part) => part !== "")
  const extra = "additionalProperties" in params && Array.isArray(params.additionalProperties) ? String(params.additionalProperties[0]) : ""
  const missing = "requiredProperties" in params && Array.isArray(params.requiredProperties) ? String(params.requiredProperties[0]) : ""
  const all = [...parts, extra, missing].filter((part) => part !== "")
  return all.length === 0
    ? "scenario"
    : all.map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`)).join("")
}
