/** `backplane ps | pause | resume | kill | partition | heal | token`: the processes of the stack, and what can be done to them on purpose. */
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { withStack } from "../live-stack.ts"
import { homeOf, runningStack } from "../running-stack.ts"
import { mustReadStack, type StackProcess } from "../stack-client.ts"

const SIGNALS = { pause: "SIGSTOP", resume: "SIGCONT", kill: "SIGKILL" } as const
const MEANINGS = {
  pause: "stop a process in its tracks (SIGSTOP), as a hung host",
  resume: "let a paused process go on (SIGCONT)",
  kill: "end a process without warning (SIGKILL); the supervisor starts it again",
} as const
const NETWORK_MEANINGS = {
  partition: "lose every message between a process and all others, both ways; it runs on and does not know",
  heal: "end a partition",
} as const

export function register(program: Command): void {
  program
    .command("ps")
    .description("processes of the running stack")
    .option("--json", "print JSON")
    .action((flags: { json?: true }, command: Command) => {
      const { processes } = runningStack(command)
      if (flags.json === true) return console.log(JSON.stringify({ processes }))
      for (const { name, phase, pid, restarts, lastExit, cutOff } of processes)
        console.log(
          `${name.padEnd(22)} ${(cutOff ? "cut off" : phase).padEnd(12)} ${String(pid ?? "-").padStart(8)}  restarts ${restarts}${lastExit === null ? "" : `  last: ${lastExit}`}`,
        )
    })
  program
    .command("token")
    .description("the operator's token of the running stack: what the console and the HTTP API ask for before they act")
    .action((_: object, command: Command) => {
      const { http } = runningStack(command)
      if (http.token === null)
        throw new CommandFailure(
          "no-token",
          "BACKPLANE_TOKENS was set when the stack was started: use one of the tokens in it; commands take it from BACKPLANE_TOKEN",
        )
      console.log(http.token)
    })
  for (const action of ["pause", "resume", "kill"] as const) {
    program
      .command(action)
      .description(MEANINGS[action])
      .argument("<process>", "as `backplane ps` names it, for example numa-node-1")
      .option("--json", "print JSON")
      .action(async (name: string, flags: { json?: true }, command: Command) => {
        const found = find(runningStack(command).processes, name)
        await send(command, { name, pid: found.pid }, action)
        console.log(
          flags.json === true
            ? JSON.stringify({ process: name, pid: found.pid, signal: SIGNALS[action] })
            : `${SIGNALS[action]} sent to ${name} (pid ${found.pid})`,
        )
      })
  }

  for (const action of ["partition", "heal"] as const) {
    program
      .command(action)
      .description(NETWORK_MEANINGS[action])
      .argument("<process>", "as `backplane ps` names it, for example numa-node-1")
      .option("--json", "print JSON")
      .action(async (name: string, flags: { json?: true }, command: Command) => {
        const home = homeOf(command)
        find(mustReadStack(home).processes, name)
        await withStack(home, (client) => client.power(name, action))
        if (flags.json === true) return console.log(JSON.stringify({ process: name, cutOff: action === "partition" }))
        console.log(action === "partition" ? `${name} is cut off; \`backplane heal ${name}\` ends that` : `${name} is reached again`)
      })
  }
}

/** By the supervisor where it can be: then `ps` and `status` know who is paused. Without the bus nobody can be asked. */
async function send(
  command: Command,
  { name, pid }: { readonly name: string; readonly pid: number },
  action: keyof typeof SIGNALS,
): Promise<void> {
  const directly = (): void => void process.kill(pid, SIGNALS[action])
  if (action === "kill" || name === BUS) return directly()
  await withStack(homeOf(command), (client) => client.power(name, action)).catch((error: unknown) => {
    if (!(error instanceof CommandFailure && error.kind === "no-answer")) throw error
    directly()
  })
}

const BUS = "nats-server"

function find(processes: readonly StackProcess[], name: string): { readonly pid: number } {
  const found = processes.find((one) => one.name === name)
  if (found === undefined)
    throw new CommandFailure("bad-input", `there is no process ${name}; there are ${processes.map((one) => one.name).join(", ")}`)
  if (found.pid === null) throw new CommandFailure("bad-input", `${name} is not running now (${found.phase})`)
  return { pid: found.pid }
}
