// @vitest-environment happy-dom
/** The panels in a document without a browser: what they draw from what the gateway says, and what a press of a button asks of it. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { takeTokenFromAddress, token } from "./api.ts"
import { startComparePanel, tableOf } from "./compare-panel.ts"
import { button, part, redraw } from "./elements.ts"
import { drawProcesses, hostsOf, reportsOf, type LogLine } from "./faults-panel.ts"
import { Gantt } from "./gantt.ts"
import type { MachineData, ShadowData } from "./machine-data.ts"
import { NumaPanel } from "./numa-panel.ts"
import { chosenPolicies, drawScheduler, startSchedulerPanel } from "./scheduler-panel.ts"
import { showTask } from "./traces-panel.ts"
import { drawWaterfall, type SpanData } from "./waterfall.ts"

const PAGE = readFileSync(join(import.meta.dirname, "index.html"), "utf8")

interface Asked {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly authorization: string | null
}

/** Answers by method and path; everything else is a refusal. */
function gateway(answers: Readonly<Record<string, unknown>>): readonly Asked[] {
  const asked: Asked[] = []
  vi.stubGlobal("fetch", (path: string, options: { method?: string; body?: string; headers?: Record<string, string> } = {}) => {
    const { method = "GET", body, headers = {} } = options
    asked.push({ method, path, body: body === undefined ? null : JSON.parse(body), authorization: headers["authorization"] ?? null })
    const found = answers[`${method} ${path}`]
    const status = found === undefined ? 401 : 200
    const document = found ?? { detail: "this needs a token", remedy: "`npx backplane token` prints it" }
    return Promise.resolve(new Response(JSON.stringify(document), { status }))
  })
  return asked
}

const text = (id: string): string => part(id).textContent ?? ""
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
const press = async (control: Element | null | undefined): Promise<void> => {
  control?.dispatchEvent(new MouseEvent("click", { bubbles: true }))
  await settled()
}

const SHADOW: ShadowData = {
  epoch: 3,
  policy: "eevdf",
  state: "passed",
  reason: "",
  untilTick: 40,
  periods: 12,
  same: 7,
  differences: { task: 5, cpu: 0 },
  first: [{ tick: 3, cpu: 1, difference: "task", active: "a", shadow: null }],
}

function machine(more: Partial<NonNullable<MachineData["hypervisor"]>> = {}): MachineData {
  const cpu = (number: number, task: string | null): MachineData["nodes"][number] => ({
    node: number,
    policy: "mqms",
    dispatches: 1,
    cpus: [{ cpu: number, state: task === null ? "idle" : "running", task, sinceTick: 100, busyTicks: 9, recent: [[40, 100, "a", 70]] }],
    tasks: [
      { task: "a", state: "running", queue: "cpu-0", home: 0 },
      { task: "b", state: "waiting", queue: "cpu-0", home: 1 },
    ],
  })
  return {
    machine: "demo",
    mode: "free",
    ready: true,
    ticksPerSecond: 100,
    actors: [
      { actor: "scheduler.cpu-0", instance: "cpu-scheduler-0", running: true },
      { actor: "scheduler.b-cpu-0", instance: "cpu-scheduler-0", running: true },
      { actor: "scheduler.b-cpu-1", instance: "cpu-scheduler-0", running: true },
      { actor: "scheduler.cpu-1", instance: "cpu-scheduler-0", running: false },
    ],
    hypervisor: { policy: "mqms", epoch: 2, jobs: { live: 2 }, lost: [], ...more },
    memory: { free: [60, 20], leases: [{ owner: "a", frames: 40, home: 0 }] },
    nodes: [cpu(0, "b"), cpu(1, null)],
  }
}

beforeEach(() => {
  document.documentElement.innerHTML =
    /<html[^>]*>([\s\S]*)<\/html>/.exec(PAGE)?.[1]?.replace(/<script[\s\S]*?<\/script>|<link[^>]*>/g, "") ?? ""
  sessionStorage.clear()
})
afterEach(() => void vi.unstubAllGlobals())

describe("the Gantt", () => {
  it("has a run for each stay, hatched while the cache was cold, and says it in words", () => {
    const chosen: string[] = []
    const gantt = new Gantt((task) => chosen.push(task))
    gantt.draw(machine())
    const drawn = gantt.element
    const runs = [...drawn.querySelectorAll<SVGElement>("rect.run")]
    expect(runs.map((run) => run.dataset["task"])).toEqual(["a", "b", "a"])
    expect(drawn.querySelectorAll('rect[fill="url(#cold)"]')).toHaveLength(2)
    expect([...drawn.querySelectorAll("li")].map((item) => item.textContent)).toEqual(["node 0, CPU 0: runs b", "node 1, CPU 1: idle"])
    const [first, second] = runs.map((run) => Number(run.getAttribute("x")))
    expect(second).toBeGreaterThan(first ?? Infinity)
    runs[1]?.dispatchEvent(new MouseEvent("click", { bubbles: true }))
    expect(chosen).toEqual(["b"])
  })

  it("draws what has happened once: a run only grows, moves with the rest, and goes when it is over the edge", () => {
    const gantt = new Gantt(() => undefined)
    const runs = (): readonly Element[] => [...gantt.element.querySelectorAll("rect.run")]
    const at = (tick: number): MachineData => {
      const now = machine()
      const nodes = now.nodes.map((node) => ({
        ...node!,
        cpus: node!.cpus.map((cpu) => ({
          ...cpu,
          sinceTick: 320,
          task: "b",
          state: "running",
          recent: [...cpu.recent, [310, tick, "c", 310] as const],
        })),
      }))
      return { ...now, nodes: nodes.slice(0, 1) }
    }
    gantt.draw(at(330))
    const [a, c] = runs()
    const width = Number(c?.getAttribute("width"))
    const moved = gantt.element.querySelector("g[transform]")?.getAttribute("transform")
    gantt.draw(at(340))
    expect(runs()[1]).toBe(c)
    expect(Number(c?.getAttribute("width"))).toBeGreaterThan(width)
    expect(gantt.element.querySelector("g[transform]")?.getAttribute("transform")).not.toBe(moved)
    gantt.draw(at(450))
    expect(runs()).not.toContain(a)
    expect(runs()).toContain(c)
    // Another machine, whose time begins anew.
    gantt.draw(machine())
    expect(runs().map((run) => (run as SVGElement).dataset["task"])).toEqual(["a", "b", "a"])
  })

  it("opens the newest trace of what was chosen, and says when there is none", async () => {
    const span = (name: string, at: number, more: Partial<SpanData> = {}): SpanData => ({
      spanId: name,
      parentSpanId: null,
      name,
      service: "numa-node",
      instance: "node.0",
      startMicros: at,
      endMicros: at + 50,
      attributes: {},
      ...more,
    })
    gateway({
      "GET /api/traces?attribute=backplane.task%3Da&limit=1": { traces: [{ traceId: "f".repeat(32) }] },
      [`GET /api/traces/${"f".repeat(32)}`]: { traceId: "f".repeat(32), spans: [span("trap", 0)] },
      "GET /api/traces?attribute=backplane.task%3Db&limit=1": { traces: [] },
    })
    await showTask("a")
    expect(text("trace")).toContain("npx backplane trace show ffff")
    await showTask("b")
    expect(text("trace")).toContain("no trace of b is here")
  })
})

describe("a waterfall", () => {
  it("puts children under their parents by time, with the numbered steps", () => {
    const span = (spanId: string, parentSpanId: string | null, startMicros: number, step?: number): SpanData => ({
      spanId,
      parentSpanId,
      name: `span-${spanId}`,
      service: "hypervisor",
      instance: "hypervisor.0",
      startMicros,
      endMicros: startMicros + 2000,
      attributes: step === undefined ? {} : { "backplane.step": step },
    })
    const svg = drawWaterfall([span("c", "a", 300, 3), span("b", "a", 100, 2), span("d", "c", 310), span("a", null, 0, 1)]) as Element
    const names = [...svg.querySelectorAll("text")].map((each) => each.textContent ?? "").filter((each) => each.includes("span-"))
    expect(names).toEqual(["1. span-a", "2. span-b", "3. span-c", "span-d"])
    expect(svg.getAttribute("aria-label")).toContain("4 spans over 1 service, 2.31 ms")
  })
})

describe("nodes and memory", () => {
  it("count frames by owner, and tasks away from theirs", () => {
    new NumaPanel().draw(machine(), 0)
    const tables = [...part("numa").querySelectorAll("table")].map((each) =>
      [...each.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent)),
    )
    expect(tables).toEqual([
      [
        ["0", "40", "60", "1", "1"],
        ["1", "0", "20", "1", "1"],
      ],
      [["0", "a", "40"]],
    ])
    expect([...part("numa").querySelectorAll("title")].map((title) => title.textContent)).toEqual(["a: 40 frames"])
  })

  it("show what moved between them in the last minute, also what was on its way for a moment", () => {
    const on = (...places: readonly (readonly string[])[]): MachineData => ({
      ...machine(),
      nodes: places.map((tasks, index) => ({
        node: index,
        policy: "mqms",
        dispatches: 0,
        cpus: [],
        tasks: tasks.map((task) => ({ task, state: "waiting", queue: "q" })),
      })),
    })
    const panel = new NumaPanel()
    const told = (): readonly (string | null)[] =>
      [...part("numa").querySelectorAll("text")].map((each) => each.textContent).filter((text) => text?.endsWith("moved") === true)
    panel.draw(on(["x", "y"], []), 0)
    expect(told()).toEqual([])
    panel.draw(on(["y"], []), 100)
    panel.draw(on(["y"], ["x"]), 200)
    panel.draw(on([], ["x", "y"]), 300)
    expect(told()).toEqual(["2 moved"])
    panel.draw(on(["x"], ["y"]), 30_000)
    // That one had ended, as far as anybody knows, and came anew.
    panel.draw(on([], ["y"]), 40_000)
    panel.draw(on([], ["y", "x"]), 50_000)
    expect(told()).toEqual(["2 moved", "1 moved"])
    panel.draw(on([], ["x", "y"]), 95_000)
    expect(told()).toEqual([])
  })
})

describe("the scheduler", () => {
  const POLICIES = {
    "GET /api/policies": {
      policies: [
        { name: "mqms", summary: "a queue a CPU" },
        { name: "eevdf", summary: "deadlines" },
      ],
    },
  }

  it("is swapped and tried in shadow with the operator's token", async () => {
    location.hash = "#token=operator-0123456789"
    takeTokenFromAddress()
    expect([token(), location.hash]).toEqual(["operator-0123456789", ""])
    const asked = gateway({ ...POLICIES, "PUT /v1/machines/demo/policy": { epoch: 3 } })
    await startSchedulerPanel(() => undefined)
    drawScheduler(machine())
    expect(text("policy-now")).toBe("mqms schedules demo (epoch 2)")
    ;(part("policy") as HTMLSelectElement).value = "eevdf"
    expect(chosenPolicies()).toEqual(["eevdf", "mqms"])
    await press(part("shadow"))
    await press(part("swap"))
    expect(asked.slice(1).map(({ body, authorization }) => [body, authorization])).toEqual([
      [{ policy: "eevdf", shadowSlices: 50, shadowOnly: true }, "Bearer operator-0123456789"],
      [{ policy: "eevdf" }, "Bearer operator-0123456789"],
    ])
    expect(text("swap-told")).toContain("takes over with epoch 3")
  })

  it("that is ejected, or is none, is not said to schedule", () => {
    drawScheduler(machine({ fallback: true }))
    expect(text("policy-now")).toBe("mqms was ejected, the nodes themselves schedule demo (epoch 2)")
    drawScheduler(machine(), true)
    expect(text("policy-now")).toBe("the program of --replace, as mqms, schedules demo (epoch 2)")
    drawScheduler(machine({ seats: [{ seat: "x1" }] }), true)
    expect(text("policy-now")).toBe("mqms schedules demo (epoch 2)")
    drawScheduler(machine({ fallback: true, fallbackAsked: true }))
    expect(text("policy-now")).toBe("as was asked for, the nodes themselves schedule demo (epoch 2)")
  })

  it("shows what a shadow would do, and why it may not take over", () => {
    drawScheduler(machine({ shadow: SHADOW }))
    expect(text("shadow-report")).toContain("eevdf in shadow, it decides as it should. 12 choices, 7 the same; 5 task")
    expect([...part("shadow-report").querySelectorAll("tbody td")].map((cell) => cell.textContent)).toEqual([
      "3",
      "1",
      "a",
      "nothing",
      "task",
    ])
    drawScheduler(machine({ shadow: { ...SHADOW, state: "rejected", reason: "silent", first: [] } }))
    expect(text("shadow-report")).toContain("it may not take over: silent")
  })

  it("says what is missing when the token is", async () => {
    gateway(POLICIES)
    await startSchedulerPanel(() => undefined)
    drawScheduler(machine())
    await press(part("swap"))
    expect(text("swap-told")).toContain("npx backplane token")
    expect(part("swap-told").className).toBe("bad")
  })

  it("is compared with others in simulation; the best of a measure is marked", async () => {
    const board = {
      question: "who is soon?",
      measures: [
        { name: "makespan", unit: "ticks", better: "less" as const },
        { name: "migrations", unit: "count", better: null },
        { name: "wake-p50", unit: "ticks", better: "less" as const },
      ],
      scores: [
        {
          contender: "fallback",
          figures: { makespan: { median: 495.4, spread: 1 }, migrations: { median: 3, spread: 0 }, "wake-p50": null },
        },
        { contender: "mqms", figures: { makespan: { median: 280, spread: 1 }, migrations: { median: 0, spread: 0 }, "wake-p50": null } },
      ],
    }
    const cells = [...tableOf(board).querySelectorAll("tr")].map((row) => [...row.children].map((cell) => cell.textContent))
    expect(cells).toEqual([
      ["policy", "makespan, ticks", "migrations", "wake-p50, ticks"],
      ["fallback", "495", "3", "–"],
      ["mqms", "* 280", "0", "–"],
    ])
    const asked = gateway({
      "GET /v1/scoreboard/workloads": { workloads: [{ name: "ostep", question: "how soon?" }] },
      "POST /v1/scoreboard": { boards: [board] },
    })
    await startComparePanel(() => ["eevdf", "mqms"])
    await press(part("compare"))
    expect(asked.at(-1)?.body).toEqual({ policies: ["eevdf", "mqms"], workload: "ostep", seeds: 3 })
    expect(part("compare-report").querySelectorAll("tbody tr")).toHaveLength(2)
  })
})

describe("processes and faults", () => {
  const process = (name: string, phase: string, cutOff = false): Parameters<typeof drawProcesses>[0][number] => ({
    name,
    phase,
    pid: 1,
    restarts: 0,
    lastExit: null,
    cutOff,
  })

  it("can be done to a process what its state allows, and nothing to the bus", async () => {
    const asked = gateway({ "POST /v1/processes/numa-node-1/heal": {} })
    drawProcesses(
      [process("nats-server", "ready"), process("numa-node-0", "ready"), process("numa-node-1", "ready", true), process("a", "off")],
      () => "",
    )
    const offers = [...part("processes").querySelectorAll("tbody tr")].map((row) =>
      [...row.querySelectorAll("button")].map((each) => each.textContent),
    )
    expect(offers).toEqual([[], ["kill", "pause", "partition"], ["heal", "kill"], ["on"]])
    await press(part("processes").querySelector('button[aria-label^="heal numa-node-1"]'))
    expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /v1/processes/numa-node-1/heal"])
    expect(text("fault-told")).toBe("numa-node-1 was told to heal")
    await press(part("processes").querySelector('button[aria-label^="kill numa-node-0"]'))
    expect(text("fault-told")).toContain("npx backplane token")
  })

  it("names what a process hosts; seats that wait are a number", () => {
    expect(hostsOf([machine()])("cpu-scheduler-0")).toBe("scheduler.cpu-0 and 2 in other seats")
    expect(hostsOf([machine()])("numa-node-0")).toBe("")
  })

  it("tells what was out of the ordinary once a kind, so that a flood hides nothing", () => {
    const line = (instance: string, text: string, severity = "WARN"): LogLine => ({
      wallMilliseconds: 0,
      severity,
      service: "s",
      instance,
      text,
      attributes: {},
    })
    const flood = Array.from({ length: 300 }, () => line("node-0", "scheduler-bypassed"))
    const reports = reportsOf([
      ...flood,
      line("hypervisor-0", "node-lost", "ERROR"),
      line("node-0", "started", "INFO"),
      line("node-1", "scheduler-bypassed"),
    ])
    expect(reports.map(({ line: { instance, text: what }, count }) => [instance, what, count])).toEqual([
      ["node-0", "scheduler-bypassed", 300],
      ["hypervisor-0", "node-lost", 1],
      ["node-1", "scheduler-bypassed", 1],
    ])
  })
})

describe("redrawing", () => {
  it("leaves what is the same alone, and the focus on the same control", () => {
    const target = part("jobs")
    const draw = (): readonly Node[] => [button("go", "go on", () => undefined)]
    redraw(target, 1, draw)
    const before = target.firstElementChild
    redraw(target, 1, draw)
    expect(target.firstElementChild).toBe(before)
    ;(before as HTMLElement).focus()
    redraw(target, 2, draw)
    expect(target.firstElementChild).not.toBe(before)
    expect(document.activeElement).toBe(target.firstElementChild)
  })
})
