/**
 * `soak`: seed after seed of drawn machines under drawn faults, until one fails. What decides a run is printed first, so that the last
 * line of a failure is enough to see it again: seed, commit, options, and the command.
 */
import { execFileSync } from "node:child_process"
import { parseArgs } from "node:util"
import { runTwice } from "@backplane/foundation-simulation/replay"
import { soak, SOAK_KINDS, type SoakKind } from "./soak/soak-scenario.ts"
import { FlagError } from "./whole-flag.ts"

/** One seed in so many runs twice, and both runs must leave one fingerprint. */
const TWICE_EVERY = 10

interface SoakRequest {
  readonly kind: SoakKind
  readonly from: number
  readonly seeds: number
  readonly json: boolean
}

interface SoakReport {
  readonly kind: SoakKind
  readonly from: number
  readonly seeds: number
  readonly twice: number
  readonly steps: number
  readonly virtualTicks: number
  readonly failure?: { readonly seed: number; readonly message: string; readonly replay: string }
}

export function soakCommand(args: readonly string[]): number {
  const request = readRequest(args)
  const { kind, from, seeds, json } = request
  const commit = commitOf()
  if (!json) console.log(`soak: commit ${commit}, kind ${kind}, seeds ${from} to ${from + seeds - 1}, one in ${TWICE_EVERY} twice`)
  const report = runAll(request)
  if (json) console.log(JSON.stringify({ commit, ...report }))
  else if (report.failure === undefined)
    console.log(`${report.seeds} seeds passed, ${report.twice} of them twice; ${report.steps} steps, ${report.virtualTicks} ticks`)
  else console.error(`seed ${report.failure.seed} of kind ${kind} failed at commit ${commit}: ${report.failure.message}`)
  return report.failure === undefined ? 0 : 1
}

function runAll({ kind, from, seeds, json }: SoakRequest): SoakReport {
  let twice = 0
  let steps = 0
  let virtualTicks = 0
  for (let seed = from; seed < from + seeds; seed++) {
    const replay = `npx backplane soak --kind ${kind} --from ${seed} --seeds 1`
    const scenario = soak({ kind, replayCommand: replay })
    const isTwice = (seed - from) % TWICE_EVERY === 0
    try {
      const world = isTwice ? runTwice(scenario, seed) : scenario(seed)
      steps += world.steps
      virtualTicks += Math.floor(world.now / 1_000_000)
      if (isTwice) twice++
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      const failure = { seed, message: message.includes(replay) ? message : `${message}\n  replay: ${replay}`, replay }
      return { kind, from, seeds: seed - from, twice, steps, virtualTicks, failure }
    }
    if (!json && process.stderr.isTTY) process.stderr.write(`\r${seed - from + 1} of ${seeds} seeds`)
  }
  if (!json && process.stderr.isTTY) process.stderr.write("\n")
  return { kind, from, seeds, twice, steps, virtualTicks }
}

function readRequest(args: readonly string[]): SoakRequest {
  const text = { type: "string" } as const
  const { values } = parseArgs({ args: [...args], options: { seeds: text, from: text, kind: text, json: { type: "boolean" } } })
  const kind = SOAK_KINDS.find((one) => one === (values.kind ?? "faulty"))
  if (kind === undefined) throw new FlagError(`--kind: there is no kind ${values.kind}; there are ${SOAK_KINDS.join(", ")}`)
  return { kind, from: whole("--from", values.from ?? "1"), seeds: whole("--seeds", values.seeds ?? "50"), json: values.json === true }
}

function whole(flag: string, text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > 1_000_000_000)
    throw new FlagError(`${flag}: ${text} is not a whole number; give one from 1 to 1000000000`)
  return value
}

/** Of the checkout that runs, or `unknown` outside of one. */
function commitOf(): string {
  try {
    const run = (...words: string[]): string =>
      execFileSync("git", words, { cwd: import.meta.dirname, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
    return `${run("rev-parse", "--short", "HEAD")}${run("status", "--porcelain", "--untracked-files=no") === "" ? "" : " (changed)"}`
  } catch {
    return "unknown"
  }
}
