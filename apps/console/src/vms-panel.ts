/** The virtual machines: how each is, what left it for the VMM by cause, what can be done with it, and its terminal. */
import { act, look } from "./api.ts"
import { button, part, reason, redraw, say, table } from "./elements.ts"
import type { MachineData } from "./machine-data.ts"
import { openTerminal } from "./terminal.ts"

interface VmData {
  readonly spec: {
    readonly name: string
    readonly cpus: number
    readonly memoryBytes: number
    readonly mode: string
    readonly mmu?: string
  }
  readonly state: string
  readonly node: number | null
  readonly life: number
  readonly reason: string
  readonly move?: { readonly to: number; readonly verdict: string; readonly reason: string }
}

const EVERY_MILLISECONDS = 500
const CAUSES = 4
/** A machine of many nodes would have a row of buttons; `backplane vm move` has no such limit. */
const MOVE_BUTTONS_MAX = 4
const ACTIONS: Readonly<Record<string, readonly string[]>> = {
  running: ["pause", "stop"],
  paused: ["resume", "stop"],
  stopped: ["start", "destroy"],
  ended: ["start", "destroy"],
  lost: ["start", "destroy"],
}

export async function watchVms(machine: () => MachineData | null): Promise<never> {
  for (;;) {
    const now = machine()
    if (now !== null) await refresh(now)
    await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS))
  }
}

async function refresh(machine: MachineData): Promise<void> {
  try {
    const { vms } = await look<{ vms: readonly VmData[] }>(`/v1/machines/${encodeURIComponent(machine.machine)}/vms`)
    const rows = vms.map((vm) => ({ ...vm, exits: exitsOf(machine, vm.spec.name) }))
    redraw(part("vms"), rows, () => [rows.length === 0 ? none() : listed(machine.machine, rows, machine.nodes.length)])
  } catch (error) {
    say(part("vm-told"), reason(error), "bad")
  }
}

function none(): Node {
  return document.createTextNode("none; `npx backplane vm create` makes one")
}

function listed(machine: string, rows: readonly (VmData & { readonly exits: string })[], nodes: number): HTMLElement {
  return table(
    "virtual machines",
    ["VM", "state", "node", "vCPUs", "memory", "mode", "boots", "exits by cause", "do"],
    rows.map(({ spec, state, node, life, reason: why, exits, move }) => {
      const buttons = document.createElement("span")
      buttons.className = "buttons"
      buttons.append(
        button("terminal", `terminal of ${spec.name}`, () => void openTerminal(machine, spec.name)),
        ...(ACTIONS[state] ?? []).map((operation) =>
          button(operation, `${operation} ${spec.name}`, () => void control(machine, spec.name, operation)),
        ),
        ...(state === "running" ? others(nodes, node) : []).map((to) =>
          button(`to node ${to}`, `move ${spec.name} to node ${to}`, () => void control(machine, spec.name, "move", { to })),
        ),
      )
      const mode = spec.mmu === undefined ? spec.mode : `${spec.mode}, ${spec.mmu}`
      const size = `${spec.memoryBytes / 2 ** 20} MiB`
      return [
        spec.name,
        told(state, why, move),
        node === null ? "" : String(node),
        String(spec.cpus),
        size,
        mode,
        String(life),
        exits,
        buttons,
      ]
    }),
  )
}

function told(state: string, why: string, move: VmData["move"]): string {
  if (state === "moving" && move !== undefined) return `moving to node ${move.to}`
  if (why === "" && move?.verdict === "given-up") return `${state}; it did not move to node ${move.to}: ${move.reason}`
  return why === "" ? state : `${state}: ${why}`
}

/** Where it could move to. */
function others(nodes: number, node: number | null): readonly number[] {
  return Array.from({ length: Math.min(nodes, MOVE_BUTTONS_MAX) }, (_, index) => index).filter((index) => index !== node)
}

async function control(machine: string, vm: string, operation: string, body?: object): Promise<void> {
  const told = part("vm-told")
  try {
    await act("POST", `/v1/machines/${encodeURIComponent(machine)}/vms/${encodeURIComponent(vm)}/${operation}`, body)
    say(told, `${vm}: ${operation}`)
  } catch (error) {
    say(told, reason(error), "bad")
  }
}

/** The most frequent ones, as the node counts them. */
function exitsOf(machine: MachineData, name: string): string {
  const vm = machine.nodes.flatMap((node) => node?.vms?.vms ?? []).find((each) => each.vm === name)
  return Object.entries(vm?.exits ?? {})
    .sort(([, a], [, b]) => b - a)
    .slice(0, CAUSES)
    .map(([cause, count]) => `${cause} ${count}`)
    .join(", ")
}
