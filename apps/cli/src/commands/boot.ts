/** `backplane boot`: one guest operating system under the VMM (or natively), without the stack. */
import type { Command } from "commander"
import { bootOverNodes, isOverNodes } from "../boot-over-nodes.ts"
import { addBootFlags, addPlaceFlags, type BootFlags, type BootStep } from "../boot-flags.ts"

export function register(program: Command): void {
  const steps: BootStep[] = []
  const command = program
    .command("boot")
    .description(
      "boot a guest operating system deprivileged: every privileged instruction exits to the VMM; exits as the guest does, 124 at a limit",
    )
  addPlaceFlags(addBootFlags(command, steps)).action(async (flags: BootFlags) => {
    const isOver = isOverNodes(flags)
    if (isOver && flags.mode === "native") {
      process.exitCode = await bootOverNodes(flags, steps)
      return
    }
    if (isOver || flags.sim === true || flags.live === true) {
      const { bootOnMachine } = await import("../boot-on-machine.ts")
      const { homeFolder } = await import("../stack-client.ts")
      process.exitCode = await bootOnMachine(flags, steps, homeFolder(command.optsWithGlobals<{ home?: string }>().home))
      return
    }
    const { bootGuest } = await import("../boot-run.ts")
    process.exitCode = bootGuest(flags, steps)
  })
}
