/** The page: asks the gateway twice a second and draws what it says. Only reads; nothing here changes the machine. */
import { drawGantt } from "./gantt.ts"
import type { MachineData, StackData } from "./machine-data.ts"
import { drawWaterfall, type SpanData } from "./waterfall.ts"

const EVERY_MILLISECONDS = 500

function part(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no ${id}`)
  return element
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): HTMLElement {
  const element = document.createElement("table")
  const headRow = element.createTHead().insertRow()
  for (const text of head) {
    const cell = document.createElement("th")
    cell.scope = "col"
    cell.textContent = text
    headRow.append(cell)
  }
  const body = element.createTBody()
  for (const row of rows) {
    const line = body.insertRow()
    for (const text of row) line.insertCell().textContent = text
  }
  return element
}

function drawMachine(machine: MachineData): void {
  part("gantt").replaceChildren(drawGantt(machine))
  const jobs = Object.entries(machine.hypervisor?.jobs ?? {}).filter(([, count]) => count > 0)
  const waiting = machine.nodes.flatMap((node) => node?.tasks.filter((task) => task.state === "waiting") ?? [])
  const queues = [...new Set(waiting.map((task) => task.queue))].sort()
  const rows = queues.map((queue) => [
    queue,
    waiting
      .filter((task) => task.queue === queue)
      .map((task) => task.task)
      .join(" "),
  ])
  part("jobs").replaceChildren(
    table(
      ["state", "jobs"],
      jobs.map(([state, count]) => [state, String(count)]),
    ),
    table(["run queue", "waiting"], rows.length === 0 ? [["all", "empty"]] : rows),
  )
}

function drawServices({ instances }: StackData, machine: MachineData | undefined): void {
  const rows = [...instances]
    .sort((a, b) => (a.instance < b.instance ? -1 : 1))
    .map(({ instance }) => [
      instance,
      (machine?.actors ?? [])
        .filter((actor) => actor.instance === instance && actor.running)
        .map((actor) => actor.actor)
        .join(" "),
    ])
  part("services").replaceChildren(table(["process", "hosts"], rows))
}

async function refresh(): Promise<void> {
  const summary = part("summary")
  try {
    const response = await fetch("/api/machine")
    if (!response.ok) throw new Error(((await response.json()) as { detail?: string }).detail ?? response.statusText)
    const stack = (await response.json()) as StackData
    const machine = stack.machines.find((each) => each.mode === "free") ?? stack.machines[0]
    drawServices(stack, machine)
    summary.className = ""
    if (machine === undefined) {
      summary.textContent = "no machine is running; start one with a scenario, or run `backplane jobs --live`"
      return
    }
    const { policy, epoch } = machine.hypervisor ?? { policy: "?", epoch: 0 }
    const text = `machine ${machine.machine}: policy ${policy}, epoch ${epoch}${machine.ready ? "" : ", some actors are not hosted"}`
    if (summary.textContent !== text) summary.textContent = text
    drawMachine(machine)
  } catch (error) {
    summary.className = "bad"
    summary.textContent = `the gateway does not answer: ${error instanceof Error ? error.message : String(error)}`
  }
}

async function showTrace(): Promise<void> {
  const flow = (part("flow") as HTMLSelectElement).value
  const target = part("trace")
  try {
    const response = await fetch(`/api/traces/last/${flow}`)
    const body = (await response.json()) as { spans?: SpanData[]; detail?: string }
    if (body.spans === undefined) target.textContent = body.detail ?? "no such trace"
    else target.replaceChildren(drawWaterfall(body.spans))
  } catch (error) {
    target.textContent = String(error)
  }
}

part("flow").addEventListener("change", () => void showTrace())
part("refresh").addEventListener("click", () => void showTrace())
void showTrace()

// One question at a time: a slow gateway is asked less often, never more.
for (;;) {
  await refresh()
  await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS))
}
