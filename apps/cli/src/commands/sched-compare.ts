/** `backplane sched compare` and `headline`: policies on workloads in the simulator, as tables, JSON and pictures. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { CommandFailure } from "../failure.ts"

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
    .option("--seeds <n>", "drawn sets of each workload", "20")
    .option("--from <n>", "first set", "0")
    .option("--list", "only list the workloads and what they ask")
    .option("--svg <file>", "write the picture here")
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | true>>) => {
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["sched-compare", ...args])
    })
  sched
    .command("headline")
    .description("run one claim about schedulers: a table, a picture, and whether it holds; without a name, list them")
    .argument("[name]", "contention, wasted-cores, short-tasks, gang, energy, energy-aware, cache-aware")
    .option("--seeds <n>", "drawn sets, where there is something to draw", "20")
    .option("--svg <file>", "write the picture here")
    .option("--json", "print JSON")
    .action(async (name: string | undefined, flags: Readonly<Record<string, string | true>>) => {
      const args = Object.entries(flags).flatMap(([flag, value]) => (value === true ? [`--${flag}`] : [`--${flag}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["sched-headline", ...(name === undefined ? [] : [name]), ...args])
    })
}
