/** The generated files, by name. */
import { join } from "node:path"
import { asyncapi } from "./asyncapi.ts"
import { markdown } from "./markdown.ts"

export const CATALOGUE_FOLDER = join(import.meta.dirname, "../../../libs/scenario/codec")

export function catalogueFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["MESSAGES.md", markdown()],
    ["asyncapi.json", `${JSON.stringify(asyncapi(), null, 2)}\n`],
  ])
}
