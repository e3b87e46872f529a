/** `sched-headline`: runs one claim and says whether it holds; without a name, lists them. */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { FlagError, wholeFlag } from "../whole-flag.ts"
import { headlineTable } from "./headline.ts"
import { HEADLINES } from "./headlines.ts"

const SETS_DEFAULT = "20"

export function headlineCommand(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { seeds: { type: "string" }, svg: { type: "string" }, json: { type: "boolean" } },
  })
  const [name] = positionals
  if (name === undefined) return list(values.json === true)
  const headline = HEADLINES.find((one) => one.name === name)
  if (headline === undefined) throw new FlagError(`there is no headline ${name}; there are ${HEADLINES.map((one) => one.name).join(", ")}`)
  const { columns, rows, holds, verdict, svg } = headline.run({ sets: wholeFlag("--seeds", values.seeds ?? SETS_DEFAULT, 1) })
  if (values.svg !== undefined) writeFileSync(values.svg, svg)
  if (values.json === true) console.log(JSON.stringify({ headline: name, claim: headline.claim, columns, rows, holds, verdict }))
  else
    console.log(
      [`${name}: ${headline.claim}`, headlineTable({ columns, rows }), `${holds ? "holds" : "DOES NOT HOLD"}: ${verdict}`].join("\n"),
    )
  return holds ? 0 : 1
}

function list(asJson: boolean): number {
  const listed = HEADLINES.map(({ name, claim }) => ({ name, claim }))
  console.log(asJson ? JSON.stringify({ headlines: listed }) : listed.map(({ name, claim }) => `${name.padEnd(14)} ${claim}`).join("\n"))
  return 0
}
