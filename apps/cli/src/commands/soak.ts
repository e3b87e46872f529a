/** `backplane soak`: seed after seed of drawn machines under drawn faults, in the simulator, until one fails. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"

export function register(program: Command): void {
  program
    .command("soak")
    .description("run seeds of the simulation under faults; ends with 1 and the command that replays it where one fails")
    .option("--seeds <n>", "how many seeds", "50")
    .option("--from <n>", "the first seed", "1")
    .option("--kind <kind>", "faulty, slow (only the messages) or exact", "faulty")
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | true>>) => {
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["soak", ...args])
    })
}
