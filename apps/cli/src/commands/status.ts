/** `backplane status`: processes, machines and what runs on every CPU. */
import type { Json } from "@backplane/foundation-base/json"
import type { Command } from "commander"
import { policyText, type Scheduled } from "../policy-text.ts"
import { onRunningStack } from "../running-stack.ts"
import type { StackClient, StackProcess } from "../stack-client.ts"

interface Listed {
  readonly machine: string
  readonly mode: string
  readonly policy: string
  readonly nodes: number
  readonly cpus: number
  readonly ready: boolean
  readonly actors: readonly { readonly actor: string; readonly instance: string; readonly running: boolean }[]
}

type Service = Pick<StackProcess, "name" | "phase" | "pid" | "restarts" | "cutOff" | "replacedBy">

export function register(program: Command): void {
  program
    .command("status")
    .description("what the running stack does: processes, machines, CPUs, jobs")
    .option("--json", "print JSON")
    .action(async (flags: { json?: true }, command: Command) => {
      await onRunningStack(command, async (client, state) => {
        const machines = (await client.office({ op: "list" }))["machines"] as unknown as Listed[]
        const details = await Promise.all(machines.map((machine) => detailsOf(client, machine)))
        const services = state.processes.map(({ name, phase, pid, restarts, lastExit, cutOff, replacedBy = null }) => ({
          ...{ name, phase, pid, restarts, lastExit, cutOff },
          ...(replacedBy !== null && { replacedBy }),
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
  const { policy = machine.policy } = (hypervisor ?? {}) as Scheduled
  return { ...machine, policy, hypervisor, nodesState: await Promise.all(nodes) }
}

function statusText(services: readonly Service[], machines: readonly Details[]): string {
  const lines = ["services"]
  for (const { name, phase, pid, restarts, cutOff, replacedBy = null } of services)
    lines.push(
      `  ${name.padEnd(22)} ${(cutOff ? "cut off" : phase).padEnd(12)} pid ${String(pid ?? "-").padEnd(8)}${restarts > 0 ? ` restarts ${restarts}` : ""}${replacedBy === null ? "" : ` replaced: ${replacedBy}`}`,
    )
  const replacement = services.find(({ name, replacedBy = null }) => name.startsWith("cpu-scheduler-") && replacedBy !== null)?.replacedBy
  for (const machine of machines) {
    const hypervisor = machine.hypervisor as (Scheduled & { readonly jobs?: Readonly<Record<string, number>> }) | null
    const jobs = Object.entries(hypervisor?.jobs ?? {}).filter(([, count]) => count > 0)
    lines.push(
      `machine ${machine.machine}: ${machine.ready ? "ready" : "not all actors are hosted"}, ${machine.mode}, policy ${policyText(hypervisor ?? {}, machine.policy, replacement ?? null)}`,
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
