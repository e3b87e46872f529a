/**
 * The simulator as a process: `run` takes a whole machine spec as JSON on standard input and prints the outcome as JSON;
 * `compare` and `sched-compare` put policies side by side; `soak` runs seeds under faults, `storm` swap after swap, `conform` the kit on one scheduler. The `backplane` command calls it.
 */
import { parseArgs } from "node:util"
import { readFileSync } from "node:fs"
import { Interruption } from "@backplane/foundation-runtime/interruption"
import { FlagError } from "./whole-flag.ts"

type Command = (args: readonly string[]) => number | Promise<number>

async function runCommand(args: readonly string[]): Promise<number> {
  const [{ machineSpecOf }, { actorsWith }, { imagesOf }, { runTraced }, { simulate }] = await Promise.all([
    import("@backplane/scenario-machine/resolve"),
    import("./machine-actors.ts"),
    import("./memory-images.ts"),
    import("./perfetto-run.ts"),
    import("./simulate.ts"),
  ])
  const { values } = parseArgs({ args: [...args], options: { perfetto: { type: "string" }, image: { type: "string", multiple: true } } })
  const spec = machineSpecOf(JSON.parse(readFileSync(0, "utf8")))
  const make = actorsWith(imagesOf(values.image ?? []))
  const outcome = values.perfetto === undefined ? simulate(spec, { fingerprint: "off" }, make) : runTraced(spec, values.perfetto, make)
  process.stdout.write(JSON.stringify(outcome))
  return 0
}

/** Loaded when asked for: no command pays for the start of all the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => runCommand,
  compare: async () => (await import("./compare-command.ts")).compareCommand,
  "sched-compare": async () => (await import("./scoreboard/scoreboard-command.ts")).scoreboardCommand,
  "sched-live-specs": async () => (await import("./scoreboard/live-board.ts")).liveSpecsCommand,
  "sched-live-table": async () => (await import("./scoreboard/live-board.ts")).liveTableCommand,
  "sched-headline": async () => (await import("./headlines/headline-command.ts")).headlineCommand,
  soak: async () => (await import("./soak-command.ts")).soakCommand,
  "memory-tester": async () => (await import("./coherence/tester-command.ts")).testerCommand,
  litmus: async () => (await import("./litmus/litmus-command.ts")).litmusCommand,
  "shared-guest": async () => (await import("./coherence/guest-command.ts")).guestCommand,
  spaces: async () => (await import("./coherence/space-command.ts")).spaceCommand,
  boot: async () => (await import("./boot-command.ts")).bootCommand,
  trace: async () => (await import("./trace-command.ts")).traceCommand,
  storm: async () => (await import("./storm/storm-command.ts")).stormCommand,
  "storm-live-machines": async () => (await import("./storm/live-storm.ts")).liveStormMachinesCommand,
  "storm-live-ledger": async () => (await import("./storm/live-storm.ts")).liveStormLedgerCommand,
  conform: async () => (await import("./conform-command.ts")).conformCommand,
}

const [name = "", ...args] = process.argv.slice(2)
const load = COMMANDS[name]
try {
  if (load === undefined) throw new Error(`there is no command ${name}; there are ${Object.keys(COMMANDS).join(", ")}`)
  const command = await load()
  process.exitCode = await command(args)
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Interruption) process.exit(error.exitCode)
  const isMisuse = error instanceof FlagError || (error as { code?: string } | null)?.code?.startsWith("ERR_PARSE_ARGS") === true
  if (args.includes("--json")) console.log(JSON.stringify({ error: { kind: isMisuse ? "bad-input" : "failure", message } }))
  console.error(`backplane: ${message}`)
  process.exitCode = isMisuse ? 2 : 1
}
