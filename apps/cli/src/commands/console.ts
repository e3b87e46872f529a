/** `backplane console <vm>`: a terminal at a VM of the running stack. */
import type { Command } from "commander"
import { attachTerminal } from "../console-terminal.ts"
import { CommandFailure } from "../failure.ts"
import { homeFolder, mustReadStack, StackClient } from "../stack-client.ts"
import { VmClient } from "../vm-client.ts"

export function register(program: Command): void {
  program
    .command("console")
    .description("a terminal at a VM's console: what it wrote last, then what it writes; Ctrl-] leaves")
    .argument("<vm>", "see `backplane vm list`")
    .option("--machine <name>", "which machine", "demo")
    .action(async (vm: string, flags: { readonly machine: string }, command: Command) => {
      const client = await StackClient.connect(mustReadStack(homeFolder(command.optsWithGlobals<{ home?: string }>().home)))
      const vms = new VmClient(client, flags.machine)
      try {
        const view = await vms.find(vm)
        if (view === null) throw new CommandFailure("unknown-vm", `${flags.machine} has no VM ${vm}; \`backplane vm list\` shows them`)
        if (process.stdin.isTTY) console.error(`backplane: ${vm} is ${view.state}; Ctrl-] leaves`)
        const end = await attachTerminal(vms, vm)
        if (end.kind === "over") console.error(`\nbackplane: ${vm} is ${end.state === "unknown" ? "gone" : end.state}`)
      } finally {
        vms.close()
        await client.close()
      }
    })
}
