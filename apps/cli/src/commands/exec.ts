/** `backplane exec <elf|Image>`: one guest on the native machine, without the stack. */
import type { Command } from "commander"
import { count, seconds, sizeOption } from "../number-flags.ts"
import type { GuestFlags } from "../guest-run.ts"

export function register(program: Command): void {
  program
    .command("exec")
    .description(
      "run a RISC-V guest (ELF in M-mode, or a flat Image in S-mode over SBI) on the native machine; exits as the guest does, 124 at a limit",
    )
    .argument("<image>", "ELF64 executable or Linux Image")
    .option("--cpus <n>", "harts", count, 1)
    .addOption(sizeOption("--memory <size>", "RAM", 128 * 2 ** 20))
    .option("--max-instructions <n>", "stop exactly there", count)
    .option("--timeout <seconds>", "stop after this much wall clock", seconds)
    .option("--trace-instructions <n>", "write the first n instructions to standard error", count)
    .option("--stdin <file>", "what the guest reads from its console")
    .option("--state", "also say a hash of registers, devices and memory at the end: equal for equal runs")
    .option("--json", "print one line of JSON at the end instead of the console as it comes")
    .action(async (image: string, flags: GuestFlags) => {
      const { runGuest } = await import("../guest-run.ts")
      process.exitCode = runGuest(image, flags)
    })
}
