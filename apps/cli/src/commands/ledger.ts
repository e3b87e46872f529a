/** `backplane ledger`: what leaves a guest for the VMM, by cause, class and the steps of OSTEP's tables. */
import type { Command } from "commander"
import { addBootFlags, refuse, type BootFlags, type BootStep } from "../boot-flags.ts"

type Given = Omit<BootFlags, "kernel" | "trapPath"> & { readonly kernel?: string; readonly costs: string }

/** What the tables of our own small kernel know; everything else is said of a guest. */
const OF_TABLES: readonly string[] = ["mode", "mmu", "costs", "json"]

export function register(program: Command): void {
  const steps: BootStep[] = []
  const command = program
    .command("ledger")
    .description(
      "tables B.1 to B.5 of OSTEP as observed on a small kernel of ours, and what calls, switches and faults cost; with --kernel: what left a guest of your own for the VMM",
    )
  addBootFlags(command, steps, "optional")
    .option("--costs <preset>", "virtual cycles as on which machine: modern or disco1997", "modern")
    .action(async (flags: Given) => {
      const { kernel } = flags
      if (kernel === undefined) {
        const flag = command.options.find(
          (option) => !OF_TABLES.includes(option.attributeName()) && command.getOptionValueSource(option.attributeName()) === "cli",
        )
        if (flag !== undefined) throw refuse(flag.long ?? flag.flags, "is of a guest, and none is given", "add --kernel, or leave it out")
        const { showTables } = await import("../ledger-tables.ts")
        const everyMachine = flags.mmu === undefined && command.getOptionValueSource("mode") === "default"
        process.exitCode = showTables(flags, everyMachine ? "every" : "asked")
        return
      }
      const { showLedger } = await import("../ledger-run.ts")
      process.exitCode = showLedger({ ...flags, kernel, trapPath: "resident" }, steps)
    })
}
