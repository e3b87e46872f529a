/** `backplane disasm <elf>`: the instructions of a guest image. */
import type { Command } from "commander"

export function register(program: Command): void {
  program
    .command("disasm")
    .description("list the instructions of a RISC-V ELF executable: address, raw bits, text")
    .argument("<elf>", "ELF64 executable")
    .option("--json", "print one JSON object an instruction")
    .action(async (elf: string, flags: { readonly json?: true }) => {
      const { disassembleImage } = await import("../guest-disassembly.ts")
      disassembleImage(elf, { json: flags.json === true })
    })
}
