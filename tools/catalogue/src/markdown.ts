/** MESSAGES.md: the catalogue for people. */
import { actorMessages, CONTROL, type CatalogueMessage, type ControlMessage } from "./catalogue.ts"
import { partyText } from "./direction.ts"
import { fieldRows, typeText, type FieldRow } from "./schema-text.ts"

const HEAD = `# Messages of the back plane

Generated from the contracts by \`npx nx run catalogue:generate\`; a test fails where it is not what the contracts say.
For tools: [asyncapi.json](asyncapi.json) (AsyncAPI 3.0) with the same messages as JSON Schema.

A message between actors is a JSON object with a \`kind\`, published on

\`\`\`
bp.{machine}.{toKind}.{toIndex}.{fromKind}.{fromIndex}        bp.demo.node.0.scheduler.cpu-1
\`\`\`

Headers: \`traceparent\` (W3C Trace Context), and in lock-step \`Bp-At\` (due time, cycles) and \`Bp-Sequence\`. Delivery is at most once;
what matters is repeated by whoever waits for the answer. Several messages of one instant may travel as one packed frame, but only to a
receiver that has shown that it reads frames (foundation/runtime, \`nats-bus.ts\`): who sends plain JSON gets plain JSON.
A body that does not fit its schema is refused at the edge and counted; an unknown field is refused too, except in control requests.`

export function markdown(): string {
  const messages = actorMessages()
  const subsystems = [...new Set(messages.map(({ subsystem }) => subsystem))]
  const parts = [
    HEAD,
    ...subsystems.flatMap((name) =>
      subsystemText(
        name,
        messages.filter(({ subsystem }) => subsystem === name),
      ),
    ),
    ...controlText(),
  ]
  return `${parts.join("\n\n")}\n`
}

function subsystemText(name: string, messages: readonly CatalogueMessage[]): readonly string[] {
  const rows = messages.map(
    (one) => `| [${one.kind}](#${one.kind.toLowerCase()}) | ${partyText(one.from)} → ${partyText(one.to)} | ${cell(one.says)} |`,
  )
  return [
    `## ${name}`,
    ["| message | who → whom | what it says |", "| --- | --- | --- |", ...rows].join("\n"),
    ...messages.flatMap((one) => messageText(one)),
  ]
}

function messageText({ kind, from, to, says, schema }: CatalogueMessage): readonly string[] {
  return [`### ${kind}`, `${partyText(from)} → ${partyText(to)}: ${says}`, fieldTable(fieldRows(schema))]
}

function fieldTable(rows: readonly FieldRow[]): string {
  if (rows.length === 0) return "No fields."
  return [
    "| field | type | meaning |",
    "| --- | --- | --- |",
    ...rows.map((row) => `| \`${row.path}\` | ${row.type} | ${cell(row.description)} |`),
  ].join("\n")
}

function controlText(): readonly string[] {
  return [
    "## control",
    "Plain JSON on fixed subjects, so that the `nats` command line tool is enough. A request is answered on its reply subject. Besides these every process answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` as the NATS services protocol says.",
    ...CONTROL.flatMap(({ subject, summary, message, reply }) => [
      `### \`${subject}\``,
      summary,
      ...[message, ...(reply === null ? [] : [reply])].flatMap(variantsText),
    ]),
  ]
}

function variantsText({ kind, says, schema }: ControlMessage): readonly string[] {
  const variants: unknown = Reflect.get(schema, "anyOf")
  const all = Array.isArray(variants) ? (variants as (typeof schema)[]) : [schema]
  return [
    `**${kind}**: ${says}`,
    ...all.flatMap((variant) => [variantHead(variant), fieldTable(fieldRows(variant).filter(notSpec))]),
  ].filter((text) => text !== "")
}

/** A whole machine spec would fill pages: its fields stand in scenario/machine. */
function notSpec({ path }: FieldRow): boolean {
  return !path.startsWith("spec.")
}

function variantHead(variant: object): string {
  const op: unknown = Reflect.get(Object(Reflect.get(Object(Reflect.get(variant, "properties")), "op")) as object, "const")
  const description: unknown = Reflect.get(variant, "description")
  const said = typeof description === "string" ? description : ""
  if (typeof op !== "string") return said
  return said === "" ? `${typeText({ const: op })}` : `${typeText({ const: op })}: ${said}`
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ")
}
