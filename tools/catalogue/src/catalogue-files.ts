/** The generated files, by path from the root. */
import { join } from "node:path"
import { asyncapi } from "./asyncapi.ts"
import { markdown } from "./markdown.ts"
import { scenarioMarkdown, scenarioSchema } from "./scenario-document.ts"

export const ROOT = join(import.meta.dirname, "../../..")

export function catalogueFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["libs/scenario/codec/MESSAGES.md", markdown()],
    ["libs/scenario/codec/asyncapi.json", `${JSON.stringify(asyncapi(), null, 2)}\n`],
    ["libs/scenario/machine/SCENARIO.md", scenarioMarkdown()],
    ["libs/scenario/machine/scenario.schema.json", scenarioSchema()],
  ])
}
