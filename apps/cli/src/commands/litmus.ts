/** `backplane litmus`: memory-model tests on nodes with shared memory, every outcome held against sequential consistency. */
import type { Command } from "commander"
import { passThrough } from "../checkout.ts"
import { count } from "../number-flags.ts"

interface Flags {
  readonly placement?: readonly string[]
  readonly runs: number
  readonly from: number
  readonly storeBuffer?: true
  readonly list?: string
  readonly json?: true
}

export function register(program: Command): void {
  program
    .command("litmus")
    .description(
      "run .litmus files (RISC-V) with threads on different nodes, in simulation; ends with 1 where an outcome is outside sequential consistency",
    )
    .argument("[files...]", ".litmus files; some lie in apps/simulator/litmus")
    .option("--placement <where...>", "same-node, two-nodes, same-page, two-homes; default: all")
    .option("--runs <n>", "runs of each test in each placement: each has its own interleaving", count, 20)
    .option("--from <seed>", "the first seed", count, 1)
    .option("--list <file>", "a file with the names of more files, one a line")
    .option("--store-buffer", "run an engine with store buffers instead, which must be found out")
    .option("--json", "print JSON")
    .action(async (files: readonly string[], flags: Flags) => {
      const args = [
        ...(flags.placement ?? []).flatMap((placement) => ["--placement", placement]),
        ...["--runs", String(flags.runs), "--from", String(flags.from)],
        ...(flags.list === undefined ? [] : ["--list", flags.list]),
        ...(flags.storeBuffer === true ? ["--store-buffer"] : []),
        ...(flags.json === true ? ["--json"] : []),
        ...files,
      ]
      process.exitCode = await passThrough("apps/simulator/src/main.ts", ["litmus", ...args])
    })
}
