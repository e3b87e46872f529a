/** What a scenario file may hold: SCENARIO.md for people, scenario.schema.json for editors. From the schema that the loader checks with. */
import type { Json } from "@backplane/foundation-base/json"
import { MachineInput, resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { fieldRows, type FieldRow } from "./schema-text.ts"

const HEAD = `# What a scenario file may hold

Generated from the loader's own schema by \`npx nx run catalogue:generate\`. A scenario is one machine and its workload, as YAML or JSON; every field may be
left out, and a field that there is not is refused by name. For editors: [scenario.schema.json](scenario.schema.json), for example by a first line
\`# yaml-language-server: $schema=PATH/scenario.schema.json\`. Files to begin with: [apps/hypervisor/scenarios](../../../apps/hypervisor/scenarios).

The workload is \`jobs\` (a list), or \`draw\` (drawn from the seed), or \`arrivals\` (they keep coming); without any, three jobs are drawn.
Times of the workload are in ticks, of the clock in cycles.`

export function scenarioMarkdown(): string {
  const defaults = resolveMachineSpec({})
  const rows = fieldRows(MachineInput).map(
    (row) => `| \`${row.path}\` | ${typeOf(row)} | ${defaultAt(defaults, row.path)} | ${row.description} |`,
  )
  return [HEAD, "", "| field | type | left out | meaning |", "| --- | --- | --- | --- |", ...rows, ""].join("\n")
}

export function scenarioSchema(): string {
  const schema = { $schema: "http://json-schema.org/draft-07/schema#", title: "Backplane scenario", ...MachineInput }
  return `${JSON.stringify(schema, null, 2)}\n`
}

/** Fields of a list's items and of an optional group are needed or not within their group. */
function typeOf({ path, type }: FieldRow): string {
  return path.includes("[]") || !type.startsWith("may be missing; ") ? type : type.slice("may be missing; ".length)
}

/** What stands there when the field is left out; empty where nothing does. */
function defaultAt(defaults: object, path: string): string {
  let at: unknown = path === "jobs" || path === "draw" ? undefined : defaults
  for (const part of path.split(".")) at = at !== null && typeof at === "object" ? Reflect.get(at, part) : undefined
  return at === undefined || (typeof at === "object" && !Array.isArray(at)) ? "" : `\`${JSON.stringify(at as Json)}\``
}
