/** `backplane trace`: what the stack's collector knows, as a tree in the terminal. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Command } from "commander"
import { runProgram } from "../checkout.ts"
import { CommandFailure } from "../failure.ts"
import { count, seconds } from "../number-flags.ts"
import { fileToWrite } from "../output-file.ts"
import { onRunningStack, runningStack } from "../running-stack.ts"
import { bearerOf } from "../stack-client.ts"
import { VmClient } from "../vm-client.ts"
import { readScenario } from "./run.ts"

const TIMEOUT_MILLISECONDS = 5_000
const WAIT_SECONDS = 60
const LOOK_AGAIN_MILLISECONDS = 500
/** Parts of a trace come from all services, each at its own pace: for so long those of one that has just been are waited for. */
const ARRIVAL_MILLISECONDS = 4_000
/** A visitor's is shown where no user's has come by then: he who has just asked for something wants to see that. */
const OWN_MILLISECONDS = 2_000
const SCENARIO = "apps/hypervisor/scenarios/a-job-moves.yaml"

interface TraceSummary {
  readonly traceId: string
  readonly name?: string
  readonly root?: string
  readonly spans?: number
  readonly services?: readonly string[]
}

export function register(program: Command): void {
  const trace = program.command("trace").description("traces of the last minutes, across the services")
  trace
    .command("last")
    .description(
      "the newest trace of a flow (of the store: of what you asked for, where there is any): decision, migration, steal, lease, restart, swap, trap, boot, …",
    )
    .argument("<flow>")
    .option(
      "--wait <s>",
      "how long to wait for the first of its kind: a machine that has just begun has not done everything",
      seconds,
      WAIT_SECONDS,
    )
    .option("--json", "print the spans as JSON")
    .action(showLast)
  registerSim(trace)
  trace
    .command("next")
    .description("trace the next so many traps of a VM, whatever else is traced: `backplane trace next 5 traps --vm alpha`")
    .argument("<n>", "how many", count)
    .argument("<what>", "traps")
    .requiredOption("--vm <vm>", "whose; its exits go over the bus (`--trap-path bus`), or are told by its node")
    .option("--machine <name>", "which machine", "demo")
    .option("--json", "print JSON")
    .action(async (traps: number, what: string, flags: { vm: string; machine: string; json?: true }, command: Command) => {
      if (what !== "traps") throw new CommandFailure("bad-input", `${what} cannot be awaited; give traps`)
      await onRunningStack(command, async (client) => {
        await new VmClient(client, flags.machine).trace(flags.vm, traps)
        const how = `the next ${traps} traps of each vCPU of ${flags.vm} are traced; \`backplane trace last trap\` shows the newest`
        console.log(flags.json === true ? JSON.stringify({ vm: flags.vm, traps }) : how)
      })
    })
  trace
    .command("show")
    .description("one trace by its id")
    .argument("<id>", "32 hexadecimal digits")
    .option("--json", "print the spans as JSON")
    .action(async (id: string, flags: { json?: true }, command: Command) =>
      console.log((await get(command, `/api/traces/${encodeURIComponent(id)}`, acceptOf(flags))).text),
    )
  trace
    .command("list")
    .description("the newest traces")
    .option("--limit <n>", "how many", "20")
    .option("--service <name>", "only those that this service took part in")
    .option("--json", "print JSON")
    .action(async (flags: { limit: string; service?: string; json?: true }, command: Command) => {
      const query = new URLSearchParams({ limit: flags.limit, ...(flags.service === undefined ? {} : { service: flags.service }) })
      const { text } = await get(command, `/api/traces?${query.toString()}`, "application/json")
      if (flags.json === true) return console.log(text)
      for (const { traceId, name, root, spans, services } of (JSON.parse(text) as { traces: TraceSummary[] }).traces)
        console.log(
          `${traceId}  ${(name ?? root ?? "").padEnd(18)} ${String(spans ?? "").padStart(4)} spans  ${(services ?? []).join(", ")}`,
        )
    })
}

async function showLast(flow: string, flags: { wait: number; json?: true }, command: Command): Promise<void> {
  const until = Date.now() + flags.wait * 1000
  let arrivingSince: number | null = null
  for (let tries = 0; ; tries++) {
    try {
      const found = await get(command, `/api/traces/last/${encodeURIComponent(flow)}`, acceptOf(flags))
      arrivingSince ??= Date.now()
      const patience = found.isArriving ? ARRIVAL_MILLISECONDS : found.isPlayed ? OWN_MILLISECONDS : 0
      if (Date.now() >= Math.min(until, arrivingSince + patience)) return console.log(found.text)
      await sleep(LOOK_AGAIN_MILLISECONDS)
    } catch (error) {
      if (!isNoneYet(error, flow) || Date.now() >= until) throw error
      if (tries === 0) console.error(`no ${flow} yet: waiting for one, ${flags.wait} s at most`)
      await sleep(LOOK_AGAIN_MILLISECONDS)
    }
  }
}

/** A flow that there is, and that nothing has told of so far. */
function isNoneYet(error: unknown, flow: string): boolean {
  return error instanceof CommandFailure && error.message.startsWith(`no ${flow} among`)
}

function registerSim(trace: Command): void {
  trace
    .command("sim")
    .description("the newest trace of a flow in a simulated run of a scenario; no stack is needed")
    .argument("<flow>", "decision, migration, steal, lease, trap, …")
    .argument("[scenario]", "file", SCENARIO)
    .option("--svg <file>", "also write it as a moving picture: who takes part, and each message between them", fileToWrite)
    .option("--json", "print the spans as JSON")
    .action(async (flow: string, scenario: string, flags: { svg?: string; json?: true }) => {
      const files: string[] = []
      const spec = readScenario(scenario, undefined, files)
      const args = [
        ...(flags.svg === undefined ? [] : ["--svg", flags.svg]),
        ...(flags.json === true ? ["--json"] : []),
        ...files.flatMap((path) => ["--image", path]),
      ]
      const { code, stdout } = await runProgram("apps/simulator/src/main.ts", ["trace", flow, ...args], JSON.stringify(spec))
      process.stdout.write(stdout)
      process.exitCode = code
    })
}

function acceptOf({ json }: { readonly json?: true }): string {
  return json === true ? "application/json" : "text/plain"
}

interface Found {
  readonly text: string
  readonly isArriving: boolean
  readonly isPlayed: boolean
}

async function get(command: Command, path: string, accept: string): Promise<Found> {
  const { url, token } = runningStack(command).http
  let response: Response
  try {
    response = await fetch(url + path, { headers: { accept, ...bearerOf(token) }, signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) })
  } catch (error) {
    throw new CommandFailure("no-answer", `the gateway at ${url} does not answer (${String(error)}): see \`npx nx run stack:status\``)
  }
  const text = await response.text()
  const has = (name: string): boolean => response.headers.has(name)
  if (response.ok) return { text, isArriving: has("backplane-trace-arriving"), isPlayed: has("backplane-trace-played") }
  const { detail, remedy } = JSON.parse(text) as { detail?: string; remedy?: string }
  // A flow that there is not was never there: a wrong argument, not one that was looked for in vain.
  const isUnknown = detail?.startsWith("no such flow") === true
  throw new CommandFailure(kindOf(response.status, isUnknown), [detail ?? text, remedy].filter((part) => part !== undefined).join(": "))
}

function kindOf(status: number, isUnknown: boolean): string {
  if (status === 401 || status === 403) return "not-allowed"
  if (status === 404 && !isUnknown) return "not-found"
  return status >= 500 ? "unavailable" : "bad-input"
}
