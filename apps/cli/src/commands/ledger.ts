/** `backplane ledger`: what leaves a guest for the VMM, by cause, class and the steps of OSTEP's tables. */
import type { Command } from "commander"
import { addBootFlags, type BootFlags, type BootStep } from "../boot-flags.ts"

export function register(program: Command): void {
  const steps: BootStep[] = []
  const command = program
    .command("ledger")
    .description("tables B.1 to B.5 of OSTEP as observed, and what calls, switches and faults cost; of a kernel of your own with --kernel")
  addBootFlags(command, steps, "optional")
    .option("--costs <preset>", "virtual cycles as on which machine: modern or disco1997", "modern")
    .action(async (flags: Partial<BootFlags> & Omit<BootFlags, "kernel"> & { readonly costs?: string }) => {
      const { kernel } = flags
      if (kernel === undefined) {
        const { showTables } = await import("../ledger-tables.ts")
        const everyMachine = flags.mmu === undefined && command.getOptionValueSource("mode") === "default"
        process.exitCode = showTables(flags, everyMachine ? "every" : "asked")
        return
      }
      const { showLedger } = await import("../ledger-run.ts")
      process.exitCode = showLedger({ ...flags, kernel }, steps)
    })
}
