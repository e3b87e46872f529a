/** What contract 2 adds, one input → what the node says: one CPU set off line, tasks that change, KEEP, TIMER, ticks, choices made ahead. */
import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { HYPERVISOR, MEMORY_CONTROLLER, schedulerActor } from "@backplane/scenario-machine/topology"
import type { Decision, SchedulerAttach, SchedulerEvent } from "@backplane/schedule-contract/scheduler-messages"
import type { NodeHears, NodeSays } from "./node-context.ts"
import { NodeMachine } from "./node.ts"

const QUEUE = "all"
const tick = (number: number): VirtualTime => virtualTime((number + 1) * 1_000_000)

type Wanted = NonNullable<SchedulerAttach["wants"]>[number]

/** One node with two CPUs and one queue; tasks a, b and (on CPU 1 only) c wait. */
class Node {
  readonly machine: NodeMachine
  #commits = 0

  constructor(contract: 1 | 2, wants: Wanted[] = [], input: MachineInput = {}) {
    const machine = { topology: { nodes: 1, cpus: 2 }, schedule: { policy: "rr" as const, sliceTicks: 10 }, jobs: [], ...input }
    this.machine = new NodeMachine({ spec: resolveMachineSpec(machine), node: 0, incarnation: 1 })
    this.machine.start(virtualTime(0))
    for (const [ordinal, [task, affinity]] of (
      [
        ["a", []],
        ["b", []],
        ["c", [1]],
      ] as [string, number[]][]
    ).entries()) {
      const spec = { task, attempt: 1, ordinal, run: 500, workingSet: 1, affinity }
      this.hear(virtualTime(100), HYPERVISOR, { kind: "TaskSubmit", spec, queue: QUEUE, incarnation: 1 })
      this.hear(virtualTime(200), MEMORY_CONTROLLER, { kind: "FrameLeaseGrant", lease: { owner: task, attempt: 1, frames: 1, home: 0 } })
    }
    const attach = { kind: "SchedulerAttach", epoch: 1, queue: QUEUE, generation: 7, contract, wants } as const
    this.hear(virtualTime(300), schedulerActor(QUEUE), { ...attach, wants: [...wants] })
    this.due(virtualTime(300), "send")
    this.due(tick(0), "begin")
    this.due(tick(0), "send")
  }

  hear(now: VirtualTime, from: ActorId, body: NodeHears): readonly Effect<NodeSays>[] {
    return this.machine.step(now, { kind: "message", from, body })
  }

  due(now: VirtualTime, key: string): readonly Effect<NodeSays>[] {
    return this.machine.step(now, { kind: "timer", key })
  }

  /** The verdicts; none where all is well. */
  decide(now: VirtualTime, ...decisions: Decision[]): string[] {
    const common = { epoch: 1, queue: QUEUE, generation: 7, incarnation: 1, seen: 0, commit: ++this.#commits }
    const effects = this.hear(now, schedulerActor(QUEUE), { kind: "SchedulerCommit", ...common, decisions })
    return said(effects).flatMap((body) => (body.kind === "SchedulerVerdicts" ? body.verdicts : []))
  }

  /** What its scheduler is told in this instant. */
  events(now: VirtualTime): SchedulerEvent[] {
    return said(this.due(now, "send")).flatMap((body) => (body.kind === "SchedulerEvents" ? body.events : []))
  }

  offline(now: VirtualTime, topology: number, offline: number[]): void {
    this.hear(now, HYPERVISOR, { kind: "CpuLevels", topology, offline })
  }

  get cpus(): string[] {
    return this.machine.inspect().cpus.map(({ state, task }) => task ?? state)
  }
}

function said(effects: readonly Effect<NodeSays>[]): NodeSays[] {
  return effects.flatMap((effect) => (effect.kind === "send" ? [effect.body] : []))
}

function run(task: string, more: Partial<Extract<Decision, { type: "RUN" }>> = {}): Decision {
  return { type: "RUN", cpu: 0, task, taskSeq: 2, at: 0, until: tick(10), idleSeq: 1, ...more }
}

const types = (events: readonly SchedulerEvent[]): string[] => events.map((event) => event.type)

describe("a CPU off line", () => {
  it("has what ran there wait again, says so, and takes no decision: CPU_OFFLINE, or CPU_BUSY to who knows only contract 1", () => {
    for (const [contract, verdict] of [
      [1, "CPU_BUSY"],
      [2, "CPU_OFFLINE"],
    ] as const) {
      const node = new Node(contract)
      node.decide(tick(0), run("a"))
      node.offline(tick(3), 1, [0])
      expect(types(node.events(tick(3)))).toEqual(["TASK_PREEMPTED", "CPU_OFFLINE"])
      expect(node.cpus).toEqual(["offline", "idle"])
      expect(node.decide(tick(4), run("b", { idleSeq: 2 }))).toEqual([verdict])
      expect(node.decide(tick(4), run("a", { cpu: 1, taskSeq: 4 }))).toEqual([])
    }
  })

  it("asks for work when it is back; the same level again, or an earlier one, changes nothing", () => {
    const node = new Node(2)
    node.offline(tick(3), 2, [0])
    node.events(tick(3))
    node.offline(tick(4), 1, [])
    expect(node.cpus).toEqual(["offline", "idle"])
    node.offline(tick(5), 3, [])
    expect(types(node.events(tick(5)))).toEqual(["CPU_ONLINE", "CPU_IDLE"])
    node.offline(tick(6), 3, [])
    expect(node.events(tick(6))).toEqual([])
  })
})

describe("what was done before", () => {
  it("is a DUPLICATE or ALREADY_ON_CPU in contract 2, OK or stale in contract 1", () => {
    const old = new Node(1)
    expect(old.decide(tick(0), run("a"))).toEqual([])
    expect(old.decide(tick(1), run("a"), run("b", { cpu: 1, taskSeq: 1 }))).toEqual(["OK", "STALE_TASK"])
    const node = new Node(2)
    expect(node.decide(tick(0), run("a"))).toEqual([])
    expect(node.decide(tick(1), run("a"))).toEqual([])
    expect(node.decide(tick(1), run("a"), run("b", { cpu: 1, taskSeq: 1 }))).toEqual(["DUPLICATE", "STALE_TASK"])
    expect(node.decide(tick(1), run("a", { taskSeq: 3 }))).toEqual(["ALREADY_ON_CPU"])
  })
})

describe("a task that changes", () => {
  const tune = (
    node: Node,
    now: VirtualTime,
    more: { readonly tuned: number; readonly affinity?: number[]; readonly weight?: number; readonly shares?: string[] },
  ): void => {
    const { affinity = [], weight = 100 } = more
    node.hear(now, HYPERVISOR, { kind: "TaskTune", task: "a", attempt: 1, ...more, affinity, weight })
  }

  it("is told with its state, and keeps its number while it waits; an old change is not done again", () => {
    const node = new Node(2)
    tune(node, tick(1), { tuned: 2, affinity: [1], weight: 300 })
    expect(node.events(tick(1))).toMatchObject([
      { type: "TASK_WEIGHT", state: "waiting", task: { task: "a", taskSeq: 2, weight: 300 } },
      { type: "TASK_AFFINITY", state: "waiting", task: { task: "a", taskSeq: 2, affinity: [1] } },
    ])
    tune(node, tick(2), { tuned: 1, affinity: [0] })
    expect(node.events(tick(2))).toEqual([])
    expect(node.decide(tick(2), run("a"))).toEqual(["AFFINITY"])
    // Once, to who has overheard it: the task as it is now.
    expect(node.events(tick(2))).toMatchObject([{ type: "TASK_NEW", reason: "snapshot", task: { affinity: [1] } }])
    expect(node.decide(tick(3), run("a"))).toEqual(["AFFINITY"])
    expect(node.events(tick(3))).toEqual([])
  })

  it("is told of with those that it shares pages with, once, and not forgotten with the next change", () => {
    const node = new Node(2)
    tune(node, tick(1), { tuned: 1, shares: ["b"] })
    expect(node.events(tick(1))).toMatchObject([{ type: "TASK_HINT", state: "waiting", task: { task: "a", taskSeq: 2, shares: ["b"] } }])
    tune(node, tick(2), { tuned: 2, shares: ["b"] })
    expect(node.events(tick(2))).toEqual([])
    tune(node, tick(3), { tuned: 3, weight: 200 })
    expect(node.events(tick(3))).toMatchObject([{ type: "TASK_WEIGHT", task: { shares: ["b"], weight: 200 } }])
  })

  it("leaves the CPU that it may not use any more", () => {
    const node = new Node(2)
    node.decide(tick(0), run("a"))
    node.events(tick(0))
    tune(node, tick(3), { tuned: 1, affinity: [1] })
    expect(types(node.events(tick(3)))).toEqual(["TASK_AFFINITY", "TASK_PREEMPTED", "CPU_IDLE"])
    expect(node.cpus).toEqual(["idle", "idle"])
  })
})

describe("KEEP, TIMER and CPU_TICK", () => {
  it("KEEP lets what runs go on, and nothing else", () => {
    const node = new Node(2)
    node.decide(tick(0), run("a"))
    const keep = { type: "KEEP", cpu: 0, task: "a", taskSeq: 2, until: tick(25) } as const
    expect(node.decide(tick(5), keep, { ...keep, task: "b" }, { ...keep, cpu: 1 }, { ...keep, until: tick(5) })).toEqual([
      "OK",
      "STALE_TASK",
      "STALE_TASK",
      "BAD_SLICE",
    ])
    node.due(tick(10), "cpu/0000")
    expect(node.cpus).toEqual(["a", "idle"])
    node.due(tick(25), "cpu/0000")
    expect(node.cpus).toEqual(["idle", "idle"])
  })

  it("a TIMER is told when it is due, the later one where a key is said twice, at most 64", () => {
    const node = new Node(2)
    expect(node.decide(tick(1), { type: "TIMER", key: "x", at: tick(5) }, { type: "TIMER", key: "x", at: tick(8) })).toEqual([])
    node.due(tick(5), `sched-timer/${QUEUE}/x`)
    expect(node.events(tick(5))).toEqual([])
    node.due(tick(8), `sched-timer/${QUEUE}/x`)
    expect(node.events(tick(8))).toEqual([{ type: "TIMER", key: "x" }])
    const many = Array.from({ length: 65 }, (_, index): Decision => ({ type: "TIMER", key: `k${index}`, at: tick(20) }))
    expect(node.decide(tick(9), ...many).at(-1)).toBe("RATE_LIMITED")
  })

  it("a TIMER is not due before the next tick: nobody keeps a node busy while time stands still", () => {
    const node = new Node(2)
    node.decide(tick(3), { type: "TIMER", key: "past", at: tick(1) })
    node.due(tick(3), `sched-timer/${QUEUE}/past`)
    expect(node.events(tick(3))).toEqual([])
    node.due(tick(4), `sched-timer/${QUEUE}/past`)
    expect(node.events(tick(4))).toEqual([{ type: "TIMER", key: "past" }])
  })

  it("CPU_TICK is told to who asked for it", () => {
    for (const [wants, told] of [
      [[], []],
      [["CPU_TICK"], ["CPU_TICK"]],
    ] as ["CPU_TICK"[], string[]][]) {
      const node = new Node(2, wants)
      node.decide(tick(0), run("a"))
      node.events(tick(0))
      node.due(tick(9), "watch")
      expect(types(node.events(tick(9)))).toEqual(told)
    }
  })
})

describe("what is told to those that ask for it", () => {
  it("CACHE_REPORT: once a slice, who waits and is warm on a CPU that runs another", () => {
    for (const wants of [[], ["CACHE_REPORT"]] as Wanted[][]) {
      const node = new Node(2, wants, { cache: { warmupTicks: 2 } })
      node.decide(tick(0), run("a"))
      node.due(tick(10), "cpu/0000")
      node.events(tick(10))
      node.decide(tick(10), run("b", { idleSeq: 2, until: tick(20) }))
      node.due(tick(19), "watch")
      expect(node.events(tick(19))).toEqual(wants.map((type) => ({ type, cpu: 0, hot: ["a"] })))
    }
  })

  it("POWER: what a CPU draws from now on, at which speed, or how deep asleep", () => {
    const power = {
      kinds: [
        {
          cpus: [],
          speeds: [
            { capacity: 1024, watts: 4 },
            { capacity: 512, watts: 1 },
          ],
          idle: [
            { watts: 0.5, wakeTicks: 0 },
            { watts: 0.1, wakeTicks: 1 },
          ],
        },
      ],
    }
    for (const wants of [[], ["POWER"]] as Wanted[][]) {
      const node = new Node(2, wants, { power })
      const told = (now: VirtualTime): SchedulerEvent[] => node.events(now).filter(({ type }) => type === "POWER")
      node.decide(tick(0), run("a", { speed: 1 }), { type: "IDLE", cpu: 1, idleSeq: 1, depth: 1 })
      const both = [
        { type: "POWER", cpu: 0, watts: 1, speed: 1, depth: 0 },
        { type: "POWER", cpu: 1, watts: 0.1, speed: 0, depth: 1 },
      ]
      expect(told(tick(0))).toEqual(wants.length === 0 ? [] : both)
    }
  })
})

describe("a choice made ahead", () => {
  const SLICE = 10_000_000
  const next = (task: string, more: Partial<Extract<Decision, { type: "RUN" }>> = {}): Decision =>
    run(task, { next: true, until: SLICE, ...more })

  it("is taken when the CPU is free, without an idle period", () => {
    const node = new Node(2)
    expect(node.decide(tick(0), run("a"), next("b"))).toEqual([])
    node.events(tick(0))
    node.due(tick(10), "cpu/0000")
    expect(node.cpus).toEqual(["b", "idle"])
    expect(types(node.events(tick(10)))).toEqual(["TASK_PREEMPTED", "CPU_RUNNING"])
    expect(node.machine.inspect()).toMatchObject({ prefetched: 1, cpus: [{ lostCycles: 0 }, {}] })
  })

  it("is not where the task runs elsewhere by then, and not by a stream that is over", () => {
    const node = new Node(2)
    node.decide(tick(0), run("a"), next("b"))
    node.decide(tick(2), run("b", { cpu: 1 }))
    node.due(tick(10), "cpu/0000")
    expect(node.cpus).toEqual(["idle", "b"])
    const other = new Node(2)
    other.decide(tick(0), run("a"), next("b"))
    other.hear(tick(3), schedulerActor(QUEUE), { kind: "SchedulerAttach", epoch: 1, queue: QUEUE, generation: 8 })
    other.due(tick(10), "cpu/0000")
    expect(other.cpus).toEqual(["idle", "idle"])
  })

  it.each([
    ["CPU_BUSY", next("b", { cpu: 1 })],
    ["CPU_BUSY", next("b", { idleSeq: 9 })],
    ["AFFINITY", next("c")],
    ["STALE_TASK", next("b", { taskSeq: 1 })],
    ["UNKNOWN_TASK", next("z")],
    ["UNSUPPORTED", next("b", { at: 1 })],
    ["BAD_SLICE", next("b", { until: 10 })],
  ] as const)("is refused: %s", (verdict, decision) => {
    const node = new Node(2)
    node.decide(tick(0), run("a"))
    expect(node.decide(tick(1), decision)).toEqual([verdict])
  })
})
