/** `backplane lesson`: short guided scenarios, each with a question, a prediction, a run and a check. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { fileToWrite } from "../output-file.ts"

export function register(program: Command): void {
  program
    .command("lesson")
    .description("guided scenarios (without a name: the list): a question, your prediction, a run, what it shows")
    .argument("[name]", "which, by name or number")
    .option("--all", "all of them, one after another")
    .option("--predict <n>", "your answer, by its number; on a terminal you are asked")
    .option("--svg <file>", "also write the picture", fileToWrite)
    .option("--json", "print JSON")
    .action(async (name: string | undefined, flags: { all?: true; predict?: string; svg?: string; json?: true }) => {
      const args = [
        ...(name === undefined ? [] : [name]),
        ...(flags.all === true ? ["--all"] : []),
        ...(flags.predict === undefined ? [] : ["--predict", flags.predict]),
        ...(flags.svg === undefined ? [] : ["--svg", flags.svg]),
        ...(flags.json === true ? ["--json"] : []),
      ]
      process.exitCode = await passThrough("tools/lessons/src/main.ts", args)
    })
}
