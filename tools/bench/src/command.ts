/**
 * `backplane bench <name> [--json] [--rounds N] [--svg FILE]`, and the list of benches without a name. Gives the exit code; the result
 * goes to `out`, all else to `note`.
 */
import { writeFileSync } from "node:fs"
import { parse } from "node:path"
import { assert } from "@backplane/foundation-base/assert"
import { benchNames, BenchUsageError, loadBench } from "./registry.ts"
import { reportJson, reportTable } from "./report-text.ts"
import { ROUNDS_DEFAULT, runBench } from "./run-bench.ts"
import type { BenchReport } from "./bench.ts"

export interface CommandOutput {
  /** The result, a line or table at a time. */
  readonly out: (text: string) => void
  /** Progress and errors. */
  readonly note: (text: string) => void
}

interface Wanted {
  readonly name: string | null
  readonly json: boolean
  /** Null: not said. */
  readonly rounds: number | null
  readonly svg: string | null
}

export async function benchCommand(args: readonly string[], output: CommandOutput): Promise<number> {
  try {
    const wanted = parseArguments(args)
    if (wanted.name === null) return await listBenches(wanted, output)
    const { draws } = await loadBench(wanted.name)
    if (wanted.svg !== null && draws !== true) throw new BenchUsageError(`bench ${wanted.name} has no pictures; leave out --svg`)
    const report = await runBench(wanted.name, { rounds: wanted.rounds ?? ROUNDS_DEFAULT, progress: output.note })
    if (wanted.svg !== null) writePictures(wanted.svg, report, output)
    output.out(wanted.json ? reportJson(report) : reportTable(report))
    return 0
  } catch (error) {
    if (!(error instanceof BenchUsageError)) throw error
    if (args.includes("--json")) output.out(JSON.stringify({ error: { kind: "bad-input", message: error.message } }))
    output.note(`backplane: ${error.message}`)
    return 2
  }
}

async function listBenches({ json, svg, rounds }: Wanted, { out }: CommandOutput): Promise<number> {
  if (svg !== null || rounds !== null) throw new BenchUsageError(`${svg === null ? "--rounds" : "--svg"} is of one bench; say which`)
  const benches = await Promise.all(benchNames().map(loadBench))
  if (json) out(JSON.stringify({ benches: benches.map(({ name, summary, draws = false }) => ({ name, summary, draws })) }))
  else for (const { name, summary } of benches) out(`${name.padEnd(NAME_WIDTH)} ${summary}`)
  return 0
}

/** As long as the longest. */
const NAME_WIDTH = Math.max(...benchNames().map(({ length }) => length))

function parseArguments(args: readonly string[]): Wanted {
  let wanted: Wanted = { name: null, json: false, rounds: null, svg: null }
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? ""
    if (argument === "--json") wanted = { ...wanted, json: true }
    else if (argument === "--rounds") wanted = { ...wanted, rounds: parseRounds(args[++index]) }
    else if (argument === "--svg") wanted = { ...wanted, svg: parseFile(args[++index]) }
    else if (argument.startsWith("-")) throw new BenchUsageError(`no option ${argument}: there are --json, --rounds N and --svg FILE`)
    else if (wanted.name !== null) throw new BenchUsageError(`one bench at a time: ${wanted.name} or ${argument}`)
    else wanted = { ...wanted, name: argument }
  }
  return wanted
}

function parseFile(text: string | undefined): string {
  if (text === undefined || !text.endsWith(".svg")) throw new BenchUsageError("--svg takes the name of a file that ends in .svg")
  return text
}

/** One file a picture: locks.svg becomes locks-spin-locks.svg and so on. */
function writePictures(file: string, { bench, presentations }: BenchReport, { note }: CommandOutput): void {
  const { dir, name } = parse(file)
  const pictures = presentations.flatMap((each) => (each.svg === null ? [] : [{ name: each.name, svg: each.svg }]))
  assert(pictures.length > 0, `bench ${bench} draws, as it says`)
  for (const picture of pictures) {
    const path = `${dir === "" ? "." : dir}/${name}-${picture.name}.svg`
    try {
      writeFileSync(path, picture.svg)
    } catch (error) {
      throw new BenchUsageError(`--svg: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`)
    }
    note(`${path} written`)
  }
}

function parseRounds(text: string | undefined): number {
  const rounds = Number(text)
  if (text === undefined || !Number.isInteger(rounds) || rounds < 1 || rounds > 1000)
    throw new BenchUsageError("--rounds takes a whole number from 1 to 1000")
  return rounds
}
