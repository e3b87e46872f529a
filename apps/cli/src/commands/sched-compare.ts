/** `backplane sched compare` and `headline`: policies on workloads in the simulator, as tables, JSON and pictures. */
import type { Command } from "commander"
import { FALLBACK, POLICY_NAMES, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { RunResult } from "@backplane/trap-hypervisor/run-result"
import { passThrough, runProgram } from "../checkout.ts"
import type { ExitRecord } from "../exit-record.ts"
import { bad, CommandFailure } from "../failure.ts"
import { bringImage } from "../image-upload.ts"
import { withStack } from "../live-stack.ts"
import { runOn, waitForEnd, withMachine } from "../machine-run.ts"
import { fileToWrite } from "../output-file.ts"
import { homeOf } from "../running-stack.ts"
import { readStack, StackClient } from "../stack-client.ts"
import { takeOver } from "./sched-swap.ts"

/** Belongs under `sched`, which is registered before. */
export function register(program: Command): void {
  const sched = program.commands.find((command) => command.name() === "sched")
  if (sched === undefined) throw new CommandFailure("order", "sched compare is registered after sched")
  sched
    .command("compare")
    .description("the scoreboard: every policy on every workload over drawn sets, beside the built-in fallback")
    .option(
      "--policies <list>",
      "policies, comma-separated; mqms-steal@5 looks every 5 ticks; a file is a policy of your own, as apps/my-sched/src/my-sched.ts; with --live also services of `sched services`; default: all",
    )
    .option("--workloads <list>", "workloads, comma-separated; default: all")
    .option("--columns <list>", "columns of the tables, comma-separated, or all; default: those that the workload is about")
    .option("--seeds <n>", "drawn sets of each workload; default: 20, live 3")
    .option("--from <n>", "first set; default: 0")
    .option("--list", "only list the workloads and what they ask")
    .option("--svg <file>", "write the picture here", fileToWrite)
    .option("--live", "machines in free mode over NATS instead, one after the other: on the running stack, else on one of its own")
    .option("--json", "print JSON")
    .action(async (given: Readonly<Record<string, string | true>>, command: Command) => {
      const { live, ...flags } = given
      if (live === true) return void (process.exitCode = await compareLive(flags, homeOf(command)))
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["sched-compare", ...args])
    })
  sched
    .command("headline")
    .description("run one claim about schedulers: a table, a picture, and whether it holds; without a name, list them")
    .argument("[name]", "contention, wasted-cores, short-tasks, gang, directed-yield, energy, energy-aware, cache-aware")
    .option("--seeds <n>", "drawn sets, where there is something to draw", "20")
    .option("--svg <file>", "write the picture here", fileToWrite)
    .option("--json", "print JSON")
    .action(async (name: string | undefined, flags: Readonly<Record<string, string | true>>) => {
      const args = Object.entries(flags).flatMap(([flag, value]) => (value === true ? [`--${flag}`] : [`--${flag}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["sched-headline", ...(name === undefined ? [] : [name]), ...args])
    })
}

const SIMULATOR = "apps/simulator/src/main.ts"

interface LiveRun {
  readonly contender: string
  readonly set: number
  readonly workload: string
  readonly spec: MachineSpec
  readonly isService?: true
}

/** The simulator draws the machines and adds up; here they are run. */
async function compareLive({ json, ...flags }: Readonly<Record<string, string | true>>, home: string): Promise<number> {
  const known = ["policies", "workloads", "seeds", "from"]
  const unknown = Object.keys(flags).find((flag) => !known.includes(flag))
  if (unknown !== undefined) throw new CommandFailure("bad-input", `--${unknown} is not for --live; leave one of them out`)
  const services = await servicesOf(String(flags["policies"] ?? ""), home)
  const args = Object.entries(services === "" ? flags : { ...flags, services }).flatMap(([name, value]) =>
    typeof value === "string" ? [`--${name}`, value] : [],
  )
  const drawn = await runProgram(SIMULATOR, ["sched-live-specs", ...args])
  if (drawn.code !== 0) return drawn.code
  const { runs, images } = JSON.parse(drawn.stdout) as { readonly runs: readonly LiveRun[]; readonly images: readonly string[] }
  const outcomes = await withStack(home, async (client) => {
    for (const path of images) await bringImage(client, { path, flag: "image" }, home)
    const ended: object[] = []
    for (const run of runs) {
      process.stderr.write(`${ended.length + 1} of ${runs.length}: ${run.workload}, ${run.contender}, set ${run.set}\n`)
      const { result, failure }: LiveEnd = await (run.isService === true ? runUnderService(client, run) : runOn(client, run.spec))
      ended.push(result === undefined ? { ...run, failure: failure?.message ?? "no end" } : { ...run, result })
    }
    return ended
  })
  const table = await runProgram(SIMULATOR, ["sched-live-table", ...(json === true ? ["--json"] : [])], JSON.stringify({ outcomes }))
  process.stdout.write(table.stdout)
  return table.code
}

/** Those of the list that are services, with the queues they want: `name=layout`, comma-separated. They are there on a running stack only. */
async function servicesOf(policies: string, home: string): Promise<string> {
  const names = policies.split(",").filter((name) => /^[a-z0-9-]+$/.test(name) && ![...POLICY_NAMES, FALLBACK].some((one) => one === name))
  const file = policies.split(",").find((name) => /[./]/.test(name))
  if (file !== undefined)
    throw bad("--policies", `${file}: with --live a policy of your own is a service: \`sched attach\` makes it known, or leave out --live`)
  const state = names.length === 0 ? null : readStack(home)
  if (state === null) return ""
  const client = await StackClient.connect(state)
  try {
    const { services } = (await client.office({ op: "services" })) as unknown as { readonly services: readonly Service[] }
    return services.flatMap(({ name, layout }) => (names.includes(name) ? [`${name}=${layout}`] : [])).join(",")
  } finally {
    await client.close()
  }
}

interface Service {
  readonly name: string
  readonly layout: string
}

/** It takes over as soon as the machine is there. A run that it was ejected from is not its own. */
function runUnderService(client: StackClient, { spec, contender }: LiveRun): Promise<LiveEnd> {
  return withMachine(client, spec, async (machine) => {
    await takeOver(client, machine, contender)
    const output = await waitForEnd(client, machine)
    const { exits = [] } = ((await client.inspect(machine, HYPERVISOR)) ?? {}) as { exits?: readonly ExitRecord[] }
    const [exit] = exits
    return exit === undefined ? output : { failure: { message: `it was ejected: ${exit.fault}: ${exit.message}` } }
  })
}

interface LiveEnd {
  readonly result?: RunResult
  readonly failure?: { readonly message: string }
}
