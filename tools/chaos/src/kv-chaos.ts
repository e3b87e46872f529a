/**
 * `node tools/chaos/src/kv-chaos.ts [--seed N] [--kills N | --duration S] [--clients N] [--faults kill,pause,partition] [--history FILE] [--json]`: real processes under load are
 * killed, paused and cut off; then everything heals, must become equal, and what clients heard is judged against what is left.
 *
 * The judges are those of the simulator (kv/simulation): no acknowledged write lost, nothing replaced or deleted comes back, one order for each
 * register. Ends with 1 where a judge says no, a write failed for good, or the replicas do not become equal.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { Random } from "@backplane/foundation-base/random"
import { Interruption, untilInterrupted } from "@backplane/foundation-runtime/interruption"
import { historyLine, type HistoryEntry } from "@backplane/kv-history/history"
import { lastWriterViolation, siblingViolation } from "@backplane/kv-history/history-checkers"
import { linearizabilityViolation } from "@backplane/kv-history/linearizability"
import { HttpClient, KEYS } from "./http-client.ts"
import { freePorts } from "@backplane/foundation-process/free-ports"
import { LiveStore } from "./live-store.ts"
import { FAULTS, torment, type Done, type Fault } from "./nemesis.ts"
import { tailOf, type Blow, type TailPart, type Took } from "./tail.ts"

const SHARDS = 3
const GATEWAYS = 2
/** Twice as many as p99.9 leaves out. */
const TAIL_SHARE = 0.002
const EQUAL_MILLISECONDS = 60_000

export interface ChaosReport extends Done {
  readonly seed: number
  readonly seconds: number
  readonly operations: number
  readonly failed: number
  /** Checkers that found one: each stops at the first, so it is no number of writes. */
  readonly acknowledged_lost: number
  readonly p50_ms: number
  readonly p99_ms: number
  readonly p999_ms: number
  readonly max_ms: number
  /** The slowest operations, slowest first: which they were and when in the run. */
  readonly slowest: readonly string[]
  /** The slowest 0.2 % by what was being done while they waited. */
  readonly tail: readonly TailPart[]
  readonly judge_seconds: number
  readonly equal: boolean
  /** Per checker null, or what it found. */
  readonly checkers: Readonly<Record<string, string | null>>
  readonly history: string | null
}

export interface ChaosOptions {
  readonly seed: number
  readonly kills: number
  readonly seconds: number | null
  readonly clients: number
  readonly faults: readonly Fault[]
  readonly history: string | null
  readonly say: (line: string) => void
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const interrupted = untilInterrupted()
  try {
    const store = await LiveStore.start({ shards: SHARDS, ports: await freePorts(GATEWAYS), until: interrupted.rejects })
    try {
      return await Promise.race([hurtAndJudge(store, options), interrupted.rejects])
    } finally {
      await store.stop()
    }
  } finally {
    interrupted.forget()
  }
}

async function hurtAndJudge(store: LiveStore, options: ChaosOptions): Promise<ChaosReport> {
  const history: HistoryEntry[] = []
  const took: Took[] = []
  const blows: Blow[] = []
  const began = performance.now()
  const now = (): number => Math.floor((performance.now() - began) * 1e6)
  const clients = Array.from(
    { length: options.clients },
    (_, index) =>
      new HttpClient({
        name: `c${index}`,
        urls: store.gatewayUrls,
        seed: `${options.seed}/${index}`,
        history,
        took,
        now,
        pauseMilliseconds: 20,
      }),
  )
  const running = clients.map((client) => client.run())
  const seconds = (): number => now() / 1e9
  const enough = (done: Done): boolean => (options.seconds === null ? done.kills >= options.kills : seconds() >= options.seconds)
  const done = await torment({
    ...{ store, random: new Random(`${options.seed}/nemesis`), faults: options.faults, say: options.say, enough },
    now: () => now() / 1e6,
    onBlow: (blow) => blows.push(blow),
  })
  for (const client of clients) client.stop()
  await Promise.all(running)
  const lasted = seconds()
  const equal = await becomesEqual(store)
  const final = await finalValues(store)
  if (options.history !== null) writeFileSync(options.history, history.map((entry) => `${historyLine(entry, 1)}\n`).join(""))
  const judging = performance.now()
  const verdict = judged(history, clients, final)
  return {
    seed: options.seed,
    ...done,
    ...figures(took.map(({ milliseconds }) => milliseconds)),
    slowest: slowestOf(history),
    tail: tailOf(took, blows, TAIL_SHARE),
    seconds: lasted,
    operations: history.length,
    equal,
    history: options.history,
    ...verdict,
    judge_seconds: (performance.now() - judging) / 1000,
  }
}

function judged(
  history: readonly HistoryEntry[],
  clients: readonly HttpClient[],
  final: ReadonlyMap<string, readonly string[]>,
): Pick<ChaosReport, "failed" | "acknowledged_lost" | "checkers"> {
  const of = (bucket: string): HistoryEntry[] => history.filter((entry) => entry.bucket === bucket)
  const values = (bucket: string, key: string): readonly string[] => final.get(`${bucket}/${key}`) ?? []
  const checkers = {
    siblings: siblingViolation(of("default"), values),
    "last-writer": lastWriterViolation(of("last"), values),
    linearizable: linearizabilityViolation(of("registers")),
  }
  const lost = Object.values(checkers).filter((found) => found?.includes("lost") === true).length
  return { failed: clients.reduce((sum, { failed }) => sum + failed, 0), acknowledged_lost: lost, checkers }
}

/** All replicas have the same roots, keep nothing for others and are sure of themselves. */
async function becomesEqual(store: LiveStore): Promise<boolean> {
  const deadline = performance.now() + EQUAL_MILLISECONDS
  while (performance.now() < deadline) {
    const states = await Promise.all([...store.shards.keys()].map((index) => store.stateOf(index)))
    const [first] = states
    const isSame = states.every(
      (state) => state !== null && state.hints === 0 && state.unsure === 0 && state.roots.join() === first?.roots.join(),
    )
    if (isSame) return true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return false
}

async function finalValues(store: LiveStore): Promise<ReadonlyMap<string, readonly string[]>> {
  const final = new Map<string, readonly string[]>()
  for (const bucket of ["default", "last"])
    for (let key = 0; key < KEYS; key++) {
      const response = await fetch(`${store.gatewayUrls[0]}/v1/kv/${bucket}/k${key}`, { headers: { accept: "application/json" } })
      const { values = [] } = (await response.json()) as { values?: readonly string[] }
      final.set(`${bucket}/k${key}`, values)
    }
  return final
}

function figures(latencies: number[]): Pick<ChaosReport, "p50_ms" | "p99_ms" | "p999_ms" | "max_ms"> {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10
  return { p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms: at(1) }
}

const SLOWEST = 10

function slowestOf(history: readonly HistoryEntry[]): readonly string[] {
  const took = ({ start, end }: HistoryEntry): number => ((end ?? start) - start) / 1e6
  return history
    .toSorted((a, b) => took(b) - took(a))
    .slice(0, SLOWEST)
    .map((entry) => `${took(entry).toFixed(0)} ms: ${entry.op} ${entry.bucket}/${entry.key} at ${(entry.start / 1e9).toFixed(1)} s`)
}

export function isSound({ failed, acknowledged_lost: lost, equal, checkers }: ChaosReport): boolean {
  return failed === 0 && lost === 0 && equal && Object.values(checkers).every((found) => found === null)
}

/** What was asked for makes no sense: names the flag and the remedy. */
export class FlagError extends Error {
  override readonly name = "FlagError"
}

function whole(name: string, value: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < 1) throw new FlagError(`${name} is ${value}: give a whole number, at least 1`)
  return number
}

export function faultsOf(text: string): readonly Fault[] {
  return text.split(",").map((name) => {
    const fault = FAULTS.find((each) => each === name)
    if (fault === undefined) throw new FlagError(`--faults has "${name}": give some of ${FAULTS.join(",")}`)
    return fault
  })
}

/** Reads the flags, and tries what could only fail after the run: it would be lost. Throws a `FlagError`. */
export function optionsOf(args: readonly string[]): ChaosOptions & { readonly json: boolean } {
  const values = flagsOf(args)
  const json = values.json === true
  const seconds = values.duration === undefined ? null : whole("--duration", values.duration)
  const faults = faultsOf(values.faults ?? FAULTS.join(","))
  if (seconds === null && !faults.includes("kill"))
    throw new FlagError(`--faults ${faults.join(",")} has no kill, and the run ends after --kills: give --duration`)
  return {
    seed: whole("--seed", values.seed ?? "1"),
    kills: whole("--kills", values.kills ?? "100"),
    seconds,
    clients: whole("--clients", values.clients ?? "24"),
    faults,
    history: values.history === undefined ? null : writable(values.history),
    say: (line) => json || console.error(line),
    json,
  }
}

function flagsOf(args: readonly string[]): Readonly<
  Partial<Record<"seed" | "kills" | "duration" | "clients" | "faults" | "history", string>>
> & {
  readonly json?: boolean
} {
  const text = { type: "string" } as const
  const options = {
    seed: text,
    kills: text,
    duration: text,
    clients: text,
    faults: text,
    history: text,
    json: { type: "boolean" },
  } as const
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new FlagError(error instanceof Error ? error.message : String(error))
  }
}

function writable(path: string): string {
  try {
    writeFileSync(path, "")
    return path
  } catch (error) {
    throw new FlagError(`--history ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function main(args: readonly string[]): Promise<number> {
  const { json: asJson, ...options } = optionsOf(args)
  const report = await runChaos(options)
  if (asJson) console.log(JSON.stringify(report))
  else {
    const { kills, gatewayKills, pauses, partitions, operations, seconds } = report
    console.log(
      `${kills} kills (${gatewayKills} of gateways), ${pauses} pauses, ${partitions} partitions in ${seconds.toFixed(0)} s; ${operations} operations, ${report.failed} failed`,
    )
    console.log(`latency p50 ${report.p50_ms} ms, p99 ${report.p99_ms} ms, p99.9 ${report.p999_ms} ms, longest ${report.max_ms} ms`)
    console.log(`replicas ${report.equal ? "became equal" : "did NOT become equal"}`)
    for (const { reason, operations: count, longest_ms: longest } of report.tail.slice(0, 8))
      console.log(`  of the slowest ${count} (up to ${longest} ms): ${reason}`)
    for (const [name, found] of Object.entries(report.checkers)) console.log(`  ${name.padEnd(14)} ${found ?? "ok"}`)
  }
  return isSound(report) ? 0 : 1
}

if (import.meta.main)
  process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
    // Clients and faults are still under way, with nobody to talk to.
    if (error instanceof Interruption) process.exit(error.exitCode)
    if (error instanceof FlagError && process.argv.includes("--json"))
      console.log(JSON.stringify({ error: { kind: "bad-input", message: error.message } }))
    console.error(error instanceof FlagError ? `backplane: ${error.message}` : error)
    return error instanceof FlagError ? 2 : 1
  })
