/** `backplane sched …`: which policies there are, the trials of schedulers, those that were ejected. Swaps: sched-swap.ts. */
import { join } from "node:path"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { POLICY_SUMMARIES } from "@backplane/scenario-machine/policy-summaries"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { Command } from "commander"
import type { ExitRecord } from "../exit-record.ts"
import { mustBeThere } from "../ask-hypervisor.ts"
import { passThrough, ROOT } from "../checkout.ts"
import { fileToWrite } from "../output-file.ts"
import { onRunningStack } from "../running-stack.ts"
import { registerServices } from "./sched-services.ts"
import { registerStorm } from "./sched-storm.ts"
import { registerSwap, registerTuning } from "./sched-swap.ts"

export function register(program: Command): void {
  const sched = program.command("sched").description("scheduling policies")
  registerTrials(sched)
  registerExits(sched)
  registerSwap(sched)
  registerServices(sched)
  registerTuning(sched)
  registerStorm(sched)
  sched
    .command("list")
    .description("the policies that ship")
    .option("--json", "print JSON")
    .action((flags: { json?: true }) => {
      if (flags.json === true)
        return console.log(JSON.stringify({ policies: POLICY_NAMES.map((name) => ({ name, summary: POLICY_SUMMARIES[name] })) }))
      for (const name of POLICY_NAMES) console.log(`${name.padEnd(14)} ${POLICY_SUMMARIES[name]}`)
    })
}

/** Programs of the simulator under `sched`: what they take is theirs to say. */
function registerTrials(sched: Command): void {
  sched
    .command("conform")
    .description("the conformance kit: a verdict on each law for a policy of ours or for any service on NATS")
    .option("--service <name>", "a service that hosts schedulers")
    .option("--nats <url>", "where; default: NATS_URL, or nats://127.0.0.1:4222; with --run: a server for the trial alone")
    .option("--run <command>", "start this program for the trial, as cpu-scheduler")
    .option("--policy <name>", "without a service: ours of this policy; with one: what its queues are like", "rr")
    .option("--mutant <name>", "without a service: one with this fault, to see how it is found")
    .option("--log <file>", "write every decision here", fileToWrite)
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | true>>) => {
      // The program is ours for the trial, and so is the server where nobody named another.
      const own = flags["run"] !== undefined && flags["nats"] === undefined && (process.env["NATS_URL"] ?? "") === ""
      process.exitCode = await simulator("conform", flags, own ? ["tools/stack/src/with-open-server.ts"] : [])
    })
}

const SIMULATOR = "apps/simulator/src/main.ts"

/** `inside`: a program that runs the simulator for us. */
function simulator(name: string, flags: Readonly<Record<string, string | true>>, inside: readonly string[] = []): Promise<number> {
  const dashed = (flag: string): string => `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  const args = Object.entries(flags).flatMap(([flag, value]) => (value === true ? [dashed(flag)] : [dashed(flag), value]))
  const [program = SIMULATOR, ...rest] = [...inside, ...(inside.length > 0 ? [join(ROOT, SIMULATOR)] : [])]
  return passThrough(program, [...rest, name, ...args])
}

function registerExits(sched: Command): void {
  sched
    .command("exits")
    .description("schedulers that were ejected: why, what became of the machine, their last events and tasks")
    .option("--machine <name>", "which machine", "demo")
    .option("--long", "with the last events and the tasks")
    .option("--json", "print JSON")
    .action(async (flags: { machine: string; long?: true; json?: true }, command: Command) => {
      await onRunningStack(command, async (client) => {
        await mustBeThere(client, flags.machine)
        const state = (await client.inspect(flags.machine, HYPERVISOR)) as {
          exits?: readonly ExitRecord[]
          quarantined?: readonly string[]
        } | null
        const { exits = [], quarantined = [] } = state ?? {}
        if (flags.json === true) return console.log(JSON.stringify({ machine: flags.machine, exits, quarantined }))
        if (exits.length === 0) console.log(`${flags.machine}: no scheduler was ejected`)
        for (const exit of exits) printExit(exit, flags.long === true)
        if (quarantined.length > 0) console.log(`in quarantine: ${quarantined.join(", ")}; \`sched swap\` brings one back`)
      })
    })
}

function printExit(exit: ExitRecord, isLong: boolean): void {
  const { tick, policy, queue, fault, message, then, next } = exit
  console.log(
    `#${exit.exit} tick ${tick}: ${policy} (queue ${queue}) ${fault}: ${message}; then: ${then}${next === null ? "" : ` (${next})`}`,
  )
  if (!isLong) return
  for (const { task, state, ticks, runtime, cpu, affinity } of exit.tasks)
    console.log(
      `  ${task.padEnd(16)} ${state} for ${ticks} ticks, ran ${runtime}, CPU ${cpu ?? "-"}${affinity.length === 0 ? "" : `, only ${affinity.join(" ")}`}`,
    )
  for (const line of exit.lines) console.log(`  | ${line}`)
}
