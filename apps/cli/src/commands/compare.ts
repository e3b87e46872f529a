/** `backplane compare`: the scheduling policies side by side on many drawn sets of jobs, as a table and a picture. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { fileToWrite } from "../output-file.ts"

export function register(program: Command): void {
  program
    .command("compare")
    .description("run policies on the same drawn sets of jobs in the simulator: makespan, use and warmth, as a table and a picture")
    .option("--sets <n>", "sets of jobs to draw", "300")
    .option("--cpus <n>", "CPUs", "8")
    .option("--jobs <n>", "jobs in a set", "24")
    .option("--max-run <n>", "longest run time", "200")
    .option("--max-wset <n>", "largest working set", "60")
    .option("--peeks <list>", "peek intervals of mqms-steal", "1,2,5,10,20,30")
    .option("--svg <file>", "write the picture here", fileToWrite)
    .option("--json", "print JSON")
    .action(async (flags: Readonly<Record<string, string | true>>) => {
      const args = Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${dashed(name)}`] : [`--${dashed(name)}`, value]))
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["compare", ...args])
    })
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
