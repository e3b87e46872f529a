/** `backplane bench <name>`: measured claims, each with its baseline in the same run. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { fileToWrite } from "../output-file.ts"

export function register(program: Command): void {
  program
    .command("bench")
    .description("measure: bus, sim, start, … (without a name: the list); figures are medians, with a baseline in the same run")
    .argument("[name]", "which")
    .option("--rounds <n>", "rounds to take the median of")
    .option("--svg <file>", "write pictures, for benches that have any: one file each, named after this one", fileToWrite)
    .option("--json", "print JSON")
    .action(async (name: string | undefined, flags: { rounds?: string; svg?: string; json?: true }) => {
      const args = [
        ...(name === undefined ? [] : [name]),
        ...(flags.rounds === undefined ? [] : ["--rounds", flags.rounds]),
        ...(flags.svg === undefined ? [] : ["--svg", flags.svg]),
        ...(flags.json === true ? ["--json"] : []),
      ]
      process.exitCode = await passThrough("tools/bench/src/main.ts", args)
    })
}
