/** `backplane exec <elf|Image>`: one guest on the native machine, without the stack. */
import { InvalidArgumentError } from "commander"
import type { Command } from "commander"
import type { GuestFlags } from "../guest-run.ts"

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

function count(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("give a whole number of at least 1")
  return value
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("give a number of seconds above 0")
  return value
}

function bytes(text: string): number {
  const match = /^(\d+)([KMG]?)$/.exec(text)
  const value = Number(match?.[1]) * (UNITS[match?.[2] ?? ""] ?? NaN)
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError("give a size such as 128M, with K, M or G")
  return value
}

export function register(program: Command): void {
  program
    .command("exec")
    .description(
      "run a RISC-V guest (ELF in M-mode, or a flat Image in S-mode over SBI) on the native machine; exits as the guest does, 124 at a limit",
    )
    .argument("<image>", "ELF64 executable or Linux Image")
    .option("--cpus <n>", "harts", count, 1)
    .option("--memory <size>", "RAM, such as 128M", bytes, 128 * 2 ** 20)
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
