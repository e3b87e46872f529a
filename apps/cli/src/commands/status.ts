/** `backplane status`: processes, machines and what runs on every CPU. */
import type { Json } from "@backplane/foundation-base/json"
import type { Command } from "commander"
import { onRunningStack } from "../running-stack.ts"
import type { StackClient } from "../stack-client.ts"

interface Listed {
  readonly machine: string
  readonly mode: string
  readonly policy: string
  readonly nodes: number
  readonly cpus: number
  readonly ready: boolean
  readonly actors: readonly { readonly actor: string; readonly instance: string; readonly running: boolean }[]
}

export function register(program: Command): void {
  program
    .command("status")
    .description("what the running stack does: processes, machines, CPUs, jobs")
    .option("--json", "print JSON")
    .action(async (flags: { json?: true }, command: Command) => {
      await onRunningStack(command, async (client, state) => {
        const machines = (await client.office({ op: "list" }))["machines"] as unknown as Listed[]
        const details = await Promise.all(machines.map((machine) => detailsOf(client, machine)))
        const services = state.processes.map(({ name, phase, pid, restarts, lastExit, cutOff }) => ({
          name,
          phase,
          pid,
          restarts,
          lastExit,
          cutOff,
        }))
        if (flags.json === true) console.log(JSON.stringify({ phase: state.phase, services, machines: details }))
        else console.log(statusText(services, details))
      })
    })
}

type Details = Listed & { readonly hypervisor: Json; readonly nodesState: readonly Json[] }

async function detailsOf(client: StackClient, machine: Listed): Promise<Details> {
  const look = (actor: string): Promise<Json> => client.inspect(machine.machine, actor).catch(() => null)
  const nodes = Array.from({ length: machine.nodes }, (_, node) => look(`node.${node}`))
  const hypervisor = await look("hypervisor.0")
  const { policy = machine.policy } = (hypervisor ?? {}) as Hypervisor
  return { ...machine, policy, hypervisor, nodesState: await Promise.all(nodes) }
}

interface Hypervisor {
  readonly policy?: string
  /** Nodes schedule by themselves. */
  readonly fallback?: boolean
  readonly seats?: readonly { readonly policy: string; readonly cpus: readonly number[] | null }[]
  readonly jobs?: Readonly<Record<string, number>>
}

/** What schedules now: a policy that was ejected does not, whatever was asked for; and there may be one for some CPUs only. */
function policyText(hypervisor: Hypervisor | null, asked: string): string {
  const { policy = asked, fallback = false, seats = [] } = hypervisor ?? {}
  if (fallback) return `none: ${policy} was ejected and nodes schedule by themselves; \`backplane sched exits\` says why`
  return [policy, ...seats.filter(({ cpus }) => cpus !== null).map((seat) => `${seat.policy} on CPU ${seat.cpus?.join(", ")}`)].join("; ")
}

function statusText(
  services: readonly { name: string; phase: string; pid: number | null; restarts: number; cutOff: boolean }[],
  machines: readonly Details[],
): string {
  const lines = ["services"]
  for (const { name, phase, pid, restarts, cutOff } of services)
    lines.push(
      `  ${name.padEnd(22)} ${(cutOff ? "cut off" : phase).padEnd(12)} pid ${String(pid ?? "-").padEnd(8)}${restarts > 0 ? ` restarts ${restarts}` : ""}`,
    )
  for (const machine of machines) {
    const hypervisor = machine.hypervisor as Hypervisor | null
    const jobs = Object.entries(hypervisor?.jobs ?? {}).filter(([, count]) => count > 0)
    lines.push(
      `machine ${machine.machine}: ${machine.ready ? "ready" : "not all actors are hosted"}, ${machine.mode}, policy ${policyText(hypervisor, machine.policy)}`,
    )
    lines.push(`  jobs  ${jobs.map(([state, count]) => `${count} ${state}`).join(", ")}`)
    for (const node of machine.nodesState as readonly ({
      node: number
      cpus: { cpu: number; state: string; task: string | null }[]
    } | null)[])
      if (node !== null) lines.push(`  node ${node.node}  ${node.cpus.map((cpu) => `CPU ${cpu.cpu} ${cpu.task ?? cpu.state}`).join("   ")}`)
  }
  return lines.join("\n")
}
