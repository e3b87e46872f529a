/** `backplane ledger`: what leaves a guest for the VMM, by cause, class and the steps of OSTEP's tables. */
import type { Command } from "commander"
import { addBootFlags, type BootFlags, type BootStep } from "../boot-flags.ts"

export function register(program: Command): void {
  const steps: BootStep[] = []
  const command = program.command("ledger").description("boot a guest as `boot` does, and say what left it for the VMM")
  addBootFlags(command, steps).action(async (flags: BootFlags) => {
    const { showLedger } = await import("../ledger-run.ts")
    process.exitCode = showLedger(flags, steps)
  })
}
