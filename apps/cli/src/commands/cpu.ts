/** `backplane cpu list | offline | online`: CPUs that go and come while the machine runs. */
import type { Command } from "commander"
import { askHypervisor } from "../ask-hypervisor.ts"
import { bad, CommandFailure } from "../failure.ts"
import { onRunningStack } from "../running-stack.ts"
import type { StackClient } from "../stack-client.ts"

const WAIT_MILLISECONDS = 10_000
const POLL_MILLISECONDS = 100

interface NodeState {
  readonly node: number
  readonly cpus: readonly { readonly cpu: number; readonly state: string; readonly task: string | null }[]
}

export function register(program: Command): void {
  const cpu = program.command("cpu").description("CPUs of the running machine: which there are, and taking them off line")
  cpu
    .command("list")
    .description("what each CPU does")
    .option("--machine <name>", "which machine", "demo")
    .option("--json", "print JSON")
    .action(async (flags: { machine: string; json?: true }, command: Command) => {
      await onRunningStack(command, async (client) => {
        const nodes = await nodesOf(client, flags.machine)
        if (flags.json === true)
          return console.log(JSON.stringify({ machine: flags.machine, nodes: nodes.map(({ node, cpus }) => ({ node, cpus })) }))
        for (const { node, cpus } of nodes) for (const one of cpus) console.log(`node ${node}  CPU ${one.cpu}  ${one.task ?? one.state}`)
      })
    })
  for (const online of [false, true]) {
    const change = cpu
      .command(online ? "online" : "offline")
      .description(
        online
          ? "bring a CPU back"
          : "take a CPU off line: what runs there goes on elsewhere; not the last one, nor (without --force) one that tasks need",
      )
      .argument("<n>", "which CPU", cpuNumber)
      .option("--machine <name>", "which machine", "demo")
    if (!online) change.option("--force", "although tasks may run nowhere else: they wait until it is back")
    change.action(async (index: number, flags: { machine: string; force?: true }, command: Command) => {
      await onRunningStack(command, async (client) => {
        const { machine, force } = flags
        await askHypervisor(client, machine, { kind: "CpuAsk", cpu: index, online, ...(force === true && { force }) })
        await waitFor(client, { machine, cpu: index, online })
        console.log(`${machine}: CPU ${index} is ${online ? "on" : "off"} line`)
      })
    })
  }
}

function cpuNumber(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 255) throw new CommandFailure("bad-input", `cpu: ${text} is no CPU; give its number, as 3`)
  return Number(text)
}

async function nodesOf(client: StackClient, machine: string): Promise<readonly NodeState[]> {
  const listed = (await client.office({ op: "list" }))["machines"] as unknown as readonly { machine: string; nodes: number }[]
  const nodes = listed.find((one) => one.machine === machine)?.nodes
  if (nodes === undefined) throw bad("--machine", `there is no machine ${machine}; \`backplane status\` shows those there are`)
  const states = await Promise.all(Array.from({ length: nodes }, (_, node) => client.inspect(machine, `node.${node}`)))
  return states as unknown as readonly NodeState[]
}

/** Until its node has done it. */
async function waitFor(
  client: StackClient,
  want: { readonly machine: string; readonly cpu: number; readonly online: boolean },
): Promise<void> {
  const deadline = Date.now() + WAIT_MILLISECONDS
  while (Date.now() < deadline) {
    const cpus = (await nodesOf(client, want.machine)).flatMap((node) => node?.cpus ?? [])
    const state = cpus.find(({ cpu }) => cpu === want.cpu)?.state
    if (state !== undefined && (state !== "offline") === want.online) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
  throw new CommandFailure("stalled", `CPU ${want.cpu} is not ${want.online ? "on" : "off"} line after ${WAIT_MILLISECONDS / 1000} s`)
}
