/** The page: hears from the gateway five times a second how the machine is and hands it to the panels, each in a file of its own. */
import { keepToken, takeTokenFromAddress, token } from "./api.ts"
import { startComparePanel } from "./compare-panel.ts"
import { part, reason, redraw, say, table } from "./elements.ts"
import { openFeed } from "./event-feed.ts"
import { hostsOf, watchFaults } from "./faults-panel.ts"
import { Gantt } from "./gantt.ts"
import type { FeedFailure, MachineData, StackData } from "./machine-data.ts"
import { NumaPanel } from "./numa-panel.ts"
import { chosenPolicies, drawScheduler, startSchedulerPanel } from "./scheduler-panel.ts"
import { watchStore } from "./store-panel.ts"
import { closeTerminal } from "./terminal.ts"
import { showFlow, showTask, startTracesPanel } from "./traces-panel.ts"
import { watchVms } from "./vms-panel.ts"

let stack: StackData | null = null
/** Another program runs as the schedulers' processes. */
let isReplaced = false
/** Drawn at most once a frame, however often the feed speaks: a busy or hidden page draws less, not later. */
let frame: number | null = null
const numa = new NumaPanel()
const gantt = new Gantt((task) => void showTask(task))

function onState(state: StackData | FeedFailure): void {
  if ("failed" in state) return say(part("summary"), `the machine does not answer: ${state.failed}`, "bad")
  stack = state
  frame ??= requestAnimationFrame(() => {
    frame = null
    if (stack !== null) draw(stack)
  })
}

function draw({ machines }: StackData): void {
  const machine = shown(machines)
  if (machine === null) return say(part("summary"), "no machine is running; start one with a scenario, or run `backplane jobs --live`")
  say(part("summary"), `machine ${machine.machine}, ${machine.ready ? "ready" : "some actors are not hosted"}`)
  gantt.draw(machine)
  drawQueues(machine)
  numa.draw(machine, performance.now())
  drawScheduler(machine, isReplaced)
}

function shown(machines: readonly MachineData[]): MachineData | null {
  return machines.find((each) => each.mode === "free") ?? machines[0] ?? null
}

function drawQueues(machine: MachineData): void {
  const jobs = Object.entries(machine.hypervisor?.jobs ?? {}).filter(([, count]) => count > 0)
  const waiting = machine.nodes.flatMap((node) => node?.tasks.filter((task) => task.state === "waiting") ?? [])
  const queues = [...new Set(waiting.map((task) => task.queue))].sort().map((queue) => [
    queue,
    waiting
      .filter((task) => task.queue === queue)
      .map((task) => task.task)
      .join(" "),
  ])
  redraw(part("jobs"), [jobs, queues], () => [
    table(
      "tasks by state",
      ["state", "tasks"],
      jobs.map(([state, count]) => [state, String(count)]),
    ),
    table("what waits in each run queue", ["run queue", "waiting"], queues.length === 0 ? [["all", "empty"]] : queues),
  ])
}

function listen(): void {
  openFeed("/api/machine/stream", {
    onData: (data) => onState(JSON.parse(data) as StackData | FeedFailure),
    onBroken: (why) => say(part("summary"), why, "bad"),
  })
}

function startToken(): void {
  const field = part("token") as HTMLInputElement
  takeTokenFromAddress()
  field.value = token()
  field.addEventListener("input", () => keepToken(field.value.trim()))
  part("token-form").addEventListener("submit", (event) => event.preventDefault())
}

part("gantt").append(gantt.element)
startToken()
startTracesPanel()
startSchedulerPanel(() => void showFlow("swap")).catch((error: unknown) => say(part("swap-told"), reason(error), "bad"))
startComparePanel(chosenPolicies).catch((error: unknown) => say(part("compare-told"), reason(error), "bad"))
listen()
part("terminal-close").addEventListener("click", closeTerminal)
void showFlow()
void watchVms(() => shown(stack?.machines ?? []))
void watchStore()
await watchFaults({
  hostedBy: (instance) => hostsOf(stack?.machines ?? [])(instance),
  onProcesses: (processes) => (isReplaced = processes.some(({ name, replaced }) => replaced === true && name.startsWith("cpu-scheduler-"))),
})
