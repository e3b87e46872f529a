/** `backplane console <vm>`: a terminal at a VM of the running stack. */
import type { Command } from "commander"
import { QUIET_MILLISECONDS } from "../console-session.ts"
import { attachTerminal, type TerminalEnd } from "../console-terminal.ts"
import { CommandFailure } from "../failure.ts"
import { seconds } from "../number-flags.ts"
import { onRunningStack } from "../running-stack.ts"
import { VmClient } from "../vm-client.ts"

export function register(program: Command): void {
  program
    .command("console")
    .description("a terminal at a VM's console: what it wrote last, then what it writes; Ctrl-] leaves")
    .argument("<vm>", "see `backplane vm list`")
    .option("--machine <name>", "which machine", "demo")
    .option(
      "--wait <seconds>",
      "where the input is no terminal: after its end, leave when the guest has said nothing for so long",
      seconds,
      QUIET_MILLISECONDS / 1_000,
    )
    .action(async (vm: string, flags: { readonly machine: string; readonly wait: number }, command: Command) => {
      await onRunningStack(command, async (client) => {
        const vms = new VmClient(client, flags.machine)
        const view = await vms.find(vm)
        if (view === null) throw new CommandFailure("unknown-vm", `${flags.machine} has no VM ${vm}; \`backplane vm list\` shows them`)
        if (process.stdin.isTTY) console.error(`backplane: ${vm} is ${view.state}; Ctrl-] leaves`)
        const end = await attachTerminal(vms, view.spec, { quietMilliseconds: 1_000 * flags.wait })
        // What was typed at a life that is over (lost with its node, for one) went with it.
        const { life } = (end.kind === "input-ended" ? await vms.find(vm) : null) ?? view
        if (life !== view.life) throw new CommandFailure("begun-anew", `${vm} was booted again meanwhile: part of the input may be lost`)
        sayEnd(vm, end)
      })
    })
}

/** On standard error, so that what the guest said stays as it is. Input that nobody took is a failure. */
function sayEnd(vm: string, { untyped, ...end }: TerminalEnd): void {
  const rest = untyped === 0 ? "" : `; the last ${untyped} bytes of the input were not taken`
  if (end.kind === "stalled")
    throw new CommandFailure(
      "stalled",
      `${vm} is ${end.state}${rest}${end.state === "paused" ? `; \`backplane vm resume ${vm}\` lets it go on` : ""}`,
    )
  if (end.kind === "left" && untyped === 0) return console.error(`\nbackplane: left ${vm}`)
  if (end.kind === "left") throw new CommandFailure("not-typed", `left ${vm}${rest}`)
  if (end.kind === "input-ended") return console.error(`\nbackplane: the input is typed; left ${vm}`)
  const over = `${vm} is ${end.state === "unknown" ? "gone" : end.state}`
  if (untyped > 0) throw new CommandFailure("not-typed", `${over}${rest}`)
  console.error(`\nbackplane: ${over}`)
}
