/**
 * One guest on every machine: `node tools/differential/src/guest-matrix.ts [--cpus 1,3] [--machines native/walk,trap/shadow] [--out FILE] [--endless] [--never TEXT] … -- <what boot takes>`.
 *
 * Each cell is a `backplane boot` of its own, one after the other; the machine `qemu/virt` is the same conversation with qemu-system-riscv64 (qemu-boot.ts). With `--out`
 * each result is added to a file as a line of JSON when it is there, and cells that passed before are not run again: a matrix of hours may be stopped. `{cell}` in
 * what boot takes is the cell's name, so that one run may save disks for the next. A guest that never ends (`--endless`) passes where it comes to the limit that
 * boot was given; a cell whose guest said one of `--never` fails, however it ended. Ends with 1 if a cell failed, after the table.
 */
import { spawnSync } from "node:child_process"
import { appendFileSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"

const BOOT = join(import.meta.dirname, "../../../apps/cli/src/main.ts")
const QEMU_BOOT = join(import.meta.dirname, "qemu-boot.ts")
const QEMU = "qemu/virt"
/** How boot says that a limit ended it. */
const LIMITS = ["limit", "timeout"]
/** Of the transcript, kept with the result: enough to see why it failed, or how far an endless guest came. */
const LAST_WORDS_CHARACTERS = 2000
const OUTPUT_BYTES_MAX = 256 * 2 ** 20
const MACHINES = "native/walk,trap/shadow,trap/nested,assist/shadow,assist/nested"

export interface Cell {
  readonly machine: string
  readonly cpus: number
}

export interface CellResult extends Cell {
  readonly ok: boolean
  readonly reason: string
  readonly cpuSeconds: number
  readonly instructions: number
  /** The end of what the guest wrote. */
  readonly lastWords?: string
}

export interface MatrixPlan {
  readonly cells: readonly Cell[]
  readonly out: string | null
  readonly verdict: Verdict
  /** For boot, as they came. */
  readonly boot: readonly string[]
}

/** When a cell has passed, beside what boot says. */
interface Verdict {
  /** The guest does not end: the limit is where it should come to. */
  readonly endless: boolean
  /** What it must not say. */
  readonly never: readonly string[]
}

/** Throws with what is wrong and what would do. */
export function planOf(args: readonly string[]): MatrixPlan {
  const split = args.indexOf("--")
  if (split < 0) throw new Error("what is booted is missing: give -- and then the arguments of `backplane boot`, --kernel at least")
  const { values } = parseArgs({
    args: args.slice(0, split),
    options: {
      cpus: { type: "string", default: "1" },
      machines: { type: "string", default: MACHINES },
      out: { type: "string" },
      endless: { type: "boolean", default: false },
      never: { type: "string", multiple: true, default: [] },
    },
  })
  const counts = values.cpus.split(",").map(Number)
  if (!counts.every((cpus) => Number.isInteger(cpus) && cpus >= 1))
    throw new Error(`--cpus: ${values.cpus} are no counts; give such as 1,3`)
  const machines = values.machines.split(",")
  const odd = machines.find((machine) => !/^[a-z]+\/[a-z]+$/.test(machine))
  if (odd !== undefined) throw new Error(`--machines: ${odd} is no mode and mmu; give such as ${MACHINES}`)
  const cells = counts.flatMap((cpus) => machines.map((machine) => ({ machine, cpus })))
  const verdict = { endless: values.endless, never: values.never }
  return { cells, out: values.out ?? null, verdict, boot: args.slice(split + 1) }
}

/** Rows are machines, columns numbers of CPUs. */
export function tableOf(results: readonly CellResult[]): string {
  const counts = [...new Set(results.map(({ cpus }) => cpus))]
  const rows = [...new Set(results.map(({ machine }) => machine))].map((machine) => {
    const cells = counts.map((cpus) => results.find((result) => result.machine === machine && result.cpus === cpus))
    return [machine.padEnd(15), ...cells.map((cell) => textOf(cell).padEnd(34))].join(" ").trimEnd()
  })
  return [["".padEnd(15), ...counts.map((cpus) => `${cpus} CPU${cpus === 1 ? "" : "s"}`.padEnd(34))].join(" ").trimEnd(), ...rows].join(
    "\n",
  )
}

function textOf(cell: CellResult | undefined): string {
  if (cell === undefined) return "-"
  const { ok, reason, cpuSeconds, instructions } = cell
  return `${ok ? "ok" : `FAILED (${reason})`}  ${cpuSeconds.toFixed(1)} CPU s  ${(instructions / 1e9).toFixed(2)} G`
}

function runCell(cell: Cell, { boot, verdict }: MatrixPlan): CellResult {
  const { stdout, stderr } = spawnSync(process.execPath, commandOf(cell, boot), { encoding: "utf8", maxBuffer: OUTPUT_BYTES_MAX })
  const answer = answerIn(stdout)
  if (answer !== null && "ok" in answer) return judged({ ...cell, ...answer }, verdict)
  const reason = answer?.error.message ?? stderr.trim().split("\n").at(-1) ?? "no answer"
  return { ...cell, ok: false, reason, cpuSeconds: 0, instructions: 0 }
}

function commandOf({ machine, cpus }: Cell, boot: readonly string[]): readonly string[] {
  const name = `${machine.replace("/", "-")}-${cpus}`
  const given = boot.map((argument) => argument.replaceAll("{cell}", name))
  const shape = ["--cpus", String(cpus), "--json", ...given]
  if (machine === QEMU) return [QEMU_BOOT, ...shape]
  const [mode = "", mmu = ""] = machine.split("/")
  return [BOOT, "boot", "--mode", mode, "--mmu", mmu, ...shape]
}

/** What boot said, held against what was asked of the guest. */
export function judged({ transcript, ...result }: CellResult & { readonly transcript: string }, { endless, never }: Verdict): CellResult {
  const lastWords = transcript.slice(-LAST_WORDS_CHARACTERS)
  const said = never.find((text) => transcript.includes(text))
  if (said !== undefined) return { ...result, lastWords, ok: false, reason: `it said ${JSON.stringify(said)}` }
  const ok = endless ? LIMITS.includes(result.reason) : result.ok
  return { ...result, lastWords, ok }
}

type Answer =
  (Omit<CellResult, "machine" | "cpus" | "lastWords"> & { readonly transcript: string }) | { readonly error: { readonly message: string } }

/** What boot printed: how it went, or why it did not begin. Null: neither. */
function answerIn(stdout: string): Answer | null {
  try {
    const parsed = JSON.parse(stdout) as Answer
    if (!("ok" in parsed)) return parsed
    const { ok, reason, cpuSeconds, instructions, transcript } = parsed
    return { ok, reason, cpuSeconds, instructions, transcript }
  } catch {
    return null
  }
}

function passedBefore(out: string | null): readonly CellResult[] {
  if (out === null || !existsSync(out)) return []
  const lines = readFileSync(out, "utf8").split("\n")
  return lines.flatMap((line) => (line === "" ? [] : [JSON.parse(line) as CellResult])).filter(({ ok }) => ok)
}

/** All results, in the order of the cells. */
export function runMatrix(plan: MatrixPlan, tell: (line: string) => void): readonly CellResult[] {
  const { cells, out } = plan
  const before = passedBefore(out)
  return cells.map((cell) => {
    const known = before.find(({ machine, cpus }) => machine === cell.machine && cpus === cell.cpus)
    const result = known ?? runCell(cell, plan)
    if (known === undefined && out !== null) appendFileSync(out, `${JSON.stringify(result)}\n`)
    tell(`${cell.machine} ${cell.cpus}: ${textOf(result)}${known === undefined ? "" : " (before)"}`)
    return result
  })
}

function main(args: readonly string[]): number {
  let plan: MatrixPlan
  try {
    plan = planOf(args)
  } catch (error) {
    console.error(`guest-matrix: ${error instanceof Error ? error.message : String(error)}`)
    return 2
  }
  const results = runMatrix(plan, (line) => console.error(line))
  console.log(tableOf(results))
  return results.every(({ ok }) => ok) ? 0 : 1
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2))
