/**
 * The simulator as a process: `run` takes a whole machine spec as JSON on standard input and prints the outcome as JSON;
 * `compare` and `sched-compare` put policies side by side; `soak` runs seeds under faults, `storm` swap after swap, `conform` the kit on one scheduler. The `backplane` command calls it.
 */
import { parseArgs } from "node:util"
import { readFileSync } from "node:fs"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import { testerCommand } from "./coherence/tester-command.ts"
import { bootCommand } from "./boot-command.ts"
import { actorsWith } from "./machine-actors.ts"
import { imagesOf } from "./memory-images.ts"
import { compareCommand } from "./compare-command.ts"
import { guestCommand } from "./coherence/guest-command.ts"
import { spaceCommand } from "./coherence/space-command.ts"
import { litmusCommand } from "./litmus/litmus-command.ts"
import { runTraced } from "./perfetto-run.ts"
import { headlineCommand } from "./headlines/headline-command.ts"
import { liveSpecsCommand, liveTableCommand } from "./scoreboard/live-board.ts"
import { scoreboardCommand } from "./scoreboard/scoreboard-command.ts"
import { simulate } from "./simulate.ts"
import { soakCommand } from "./soak-command.ts"
import { liveStormLedgerCommand, liveStormMachinesCommand } from "./storm/live-storm.ts"
import { stormCommand } from "./storm/storm-command.ts"
import { traceCommand } from "./trace-command.ts"

function runCommand(args: readonly string[]): number {
  const { values } = parseArgs({ args: [...args], options: { perfetto: { type: "string" }, image: { type: "string", multiple: true } } })
  const spec = machineSpecOf(JSON.parse(readFileSync(0, "utf8")))
  const make = actorsWith(imagesOf(values.image ?? []))
  const outcome = values.perfetto === undefined ? simulate(spec, { fingerprint: "off" }, make) : runTraced(spec, values.perfetto, make)
  process.stdout.write(JSON.stringify(outcome))
  return 0
}

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => number | Promise<number>>> = {
  run: runCommand,
  compare: compareCommand,
  "sched-compare": scoreboardCommand,
  "sched-live-specs": liveSpecsCommand,
  "sched-live-table": liveTableCommand,
  "sched-headline": headlineCommand,
  soak: soakCommand,
  "memory-tester": testerCommand,
  litmus: litmusCommand,
  "shared-guest": guestCommand,
  spaces: spaceCommand,
  boot: bootCommand,
  trace: traceCommand,
  storm: stormCommand,
  "storm-live-machines": liveStormMachinesCommand,
  "storm-live-ledger": liveStormLedgerCommand,
  conform: async (args) => (await import("./conform-command.ts")).conformCommand(args),
}

const [name = "", ...args] = process.argv.slice(2)
const command = COMMANDS[name]
try {
  if (command === undefined) throw new Error(`there is no command ${name}; there are ${Object.keys(COMMANDS).join(", ")}`)
  process.exitCode = await command(args)
} catch (error) {
  console.error(`backplane: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
