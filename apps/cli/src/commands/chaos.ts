/** `backplane chaos kv | machine`: real processes of a store, or of a whole machine, killed, paused and cut off under load, and judged. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { CommandFailure } from "../failure.ts"
import { MACHINE_FAULTS, type MachineFault } from "../machine-chaos-nemesis.ts"
import type { MachineChaosReport } from "../machine-chaos.ts"
import { count, listOption } from "../number-flags.ts"

export function register(program: Command): void {
  const chaos = program.command("chaos").description("hurt real processes on purpose, and judge what their users saw")
  registerStore(chaos)
  registerMachine(chaos)
}

function registerMachine(chaos: Command): void {
  chaos
    .command("machine")
    .description(
      "a stack of its own with guests as jobs and a virtual machine that writes to a disk in the store: any of its processes is hurt; jobs must end as undisturbed, and what was saved must be there",
    )
    .option("--seed <n>", "which processes are hurt, and how", count, 1)
    .option("--duration <seconds>", "how long it is hurt", count, 60)
    .addOption(listOption("--faults <list>", "of kill, pause, partition; commas between", { parse: faultsOf, default: MACHINE_FAULTS }))
    .option("--only <list>", "only processes whose names begin so, such as numa-node,kv-shard-1", (text) => text.split(","))
    .option("--json", "print JSON")
    .action(async (flags: { seed: number; duration: number; faults: readonly MachineFault[]; only?: readonly string[]; json?: true }) => {
      const { runMachineChaos } = await import("../machine-chaos.ts")
      const { seed, duration: seconds, faults, only = [] } = flags
      const say = (line: string): void => void (flags.json === true || console.error(line))
      const report = await runMachineChaos({ seed, seconds, faults, only, say })
      console.log(flags.json === true ? JSON.stringify(report) : textOf(report))
      process.exitCode = report.findings.length === 0 ? 0 : 1
    })
}

function faultsOf(text: string): readonly MachineFault[] {
  return text.split(",").map((name) => {
    const fault = MACHINE_FAULTS.find((each) => each === name)
    if (fault === undefined)
      throw new CommandFailure("bad-input", `--faults: there is no ${name}; give some of ${MACHINE_FAULTS.join(",")}`, { exitCode: 2 })
    return fault
  })
}

function textOf({ kills, pauses, partitions, seconds, jobs, restarts, migrations, saves, boots, findings }: MachineChaosReport): string {
  return [
    `${kills} kills, ${pauses} pauses, ${partitions} partitions in ${seconds.toFixed(0)} s`,
    `${jobs} jobs, ${migrations} migrations, ${restarts} begun again; ${saves} files saved at the shell of a VM that was booted ${boots} times`,
    ...(findings.length === 0 ? ["all jobs ended as undisturbed, and everything that was saved is there"] : findings),
  ].join("\n")
}

function registerStore(chaos: Command): void {
  chaos
    .command("kv")
    .description(
      "a store of three shards and two gateways: kills, pauses, partitions under load; histories judged by the simulator's checkers",
    )
    .option("--seed <n>", "what is done when", "1")
    .option("--kills <n>", "end after so many", "100")
    .option("--duration <seconds>", "end after so long instead")
    .option("--clients <n>", "callers at a time", "24")
    .option("--faults <list>", "of kill, pause, partition; commas between", "kill,pause,partition")
    .option("--history <file>", "write the history, one JSON line an operation")
    .option("--json", "print JSON")
    .action(
      async (flags: { seed: string; kills: string; duration?: string; clients: string; faults: string; history?: string; json?: true }) => {
        const args = ["--seed", flags.seed, "--kills", flags.kills, "--clients", flags.clients, "--faults", flags.faults]
        if (flags.duration !== undefined) args.push("--duration", flags.duration)
        if (flags.history !== undefined) args.push("--history", flags.history)
        if (flags.json === true) args.push("--json")
        process.exitCode = await passThrough("tools/chaos/src/kv-chaos.ts", args)
      },
    )
}
