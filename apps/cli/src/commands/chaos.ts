/** `backplane chaos kv`: real processes of a store of its own, killed, paused and cut off under load, and judged. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"

export function register(program: Command): void {
  program
    .command("chaos")
    .description("hurt real processes on purpose, and judge what their users saw")
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
