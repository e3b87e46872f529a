/** `backplane sched compare` and `headline`: policies on workloads in the simulator, as tables, JSON and pictures. */
import type { Command } from "commander"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { passThrough, runProgram } from "../checkout.ts"
import { CommandFailure } from "../failure.ts"
import { bringImage } from "../image-upload.ts"
import { withStack } from "../live-stack.ts"
import { runOn } from "../machine-run.ts"
import { fileToWrite } from "../output-file.ts"
import { homeOf } from "../running-stack.ts"

/** Belongs under `sched`, which is registered before. */
export function register(program: Command): void {
  const sched = program.commands.find((command) => command.name() === "sched")
  if (sched === undefined) throw new CommandFailure("order", "sched compare is registered after sched")
  sched
    .command("compare")
    .description("the scoreboard: every policy on every workload over drawn sets, beside the built-in fallback")
    .option("--policies <list>", "policies, comma-separated; mqms-steal@5 looks every 5 ticks; default: all")
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
}

/** The simulator draws the machines and adds up; here they are run. */
async function compareLive({ json, ...flags }: Readonly<Record<string, string | true>>, home: string): Promise<number> {
  const known = ["policies", "workloads", "seeds", "from"]
  const unknown = Object.keys(flags).find((flag) => !known.includes(flag))
  if (unknown !== undefined) throw new CommandFailure("bad-input", `--${unknown} is not for --live; leave one of them out`)
  const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [] : [`--${name}`, value]))
  const drawn = await runProgram(SIMULATOR, ["sched-live-specs", ...args])
  if (drawn.code !== 0) return drawn.code
  const { runs, images } = JSON.parse(drawn.stdout) as { readonly runs: readonly LiveRun[]; readonly images: readonly string[] }
  const outcomes = await withStack(home, async (client) => {
    for (const path of images) await bringImage(client, { path, flag: "image" }, home)
    const ended: object[] = []
    for (const run of runs) {
      process.stderr.write(`${ended.length + 1} of ${runs.length}: ${run.workload}, ${run.contender}, set ${run.set}\n`)
      const { result, failure } = await runOn(client, run.spec)
      ended.push(result === undefined ? { ...run, failure: failure?.message ?? "no end" } : { ...run, result })
    }
    return ended
  })
  const table = await runProgram(SIMULATOR, ["sched-live-table", ...(json === true ? ["--json"] : [])], JSON.stringify({ outcomes }))
  process.stdout.write(table.stdout)
  return table.code
}
