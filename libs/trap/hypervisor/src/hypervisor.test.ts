import { describe, expect, it } from "vitest"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { NodeReport } from "@backplane/compute-contract/task-messages"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import type { HypervisorHears, HypervisorSays } from "./hypervisor-context.ts"
import { HypervisorMachine } from "./hypervisor.ts"
import { percent } from "./run-result.ts"

type Out = readonly Effect<HypervisorSays>[]
const tick = (number: number): VirtualTime => virtualTime((number + 1) * 1_000_000)
const job = (name: string, more: object = {}): NonNullable<MachineInput["jobs"]>[number] => ({ name, run: 10, workingSet: 5, ...more })

/** A hypervisor over two nodes with a CPU each, with a disk that is as slow as the test wants. */
class Hypervisor {
  readonly machine: HypervisorMachine
  readonly disk: Map<string, Json>
  #unwritten: string[] = []

  constructor(input: MachineInput, disk = new Map<string, Json>()) {
    this.disk = disk
    this.machine = new HypervisorMachine({ spec: resolveMachineSpec({ topology: { nodes: 2, cpus: 2 }, ...input }) })
    this.#keep(this.machine.start(virtualTime(0), disk))
  }

  hear(from: ActorId, body: HypervisorHears, now = tick(1)): Out {
    return this.#keep(this.machine.step(now, { kind: "message", from, body }))
  }

  due(now: VirtualTime, key: string): Out {
    return this.#keep(this.machine.step(now, { kind: "timer", key }))
  }

  report(node: number, more: Partial<NodeReport> = {}): Out {
    const rest = { tick: 1, epoch: 1, holds: [], idleCpus: 1, dispatches: 0, bypasses: 0, ...more }
    return this.hear(nodeActor(node), { kind: "NodeReport", node, incarnation: 1, ...rest })
  }

  /** All that was written is on disk now. */
  written(): string[] {
    const keys = this.#unwritten
    this.#unwritten = []
    return keys.flatMap((key) => kinds(this.#keep(this.machine.step(tick(1), { kind: "persisted", key }))))
  }

  /** All that is said now that everything is on disk. */
  writtenEffects(): Out {
    const keys = this.#unwritten
    this.#unwritten = []
    return keys.flatMap((key) => this.#keep(this.machine.step(tick(1), { kind: "persisted", key })))
  }

  /** Both nodes are heard of, and the first jobs are on their way. */
  ready(): string[] {
    this.report(0)
    this.report(1)
    return this.written()
  }

  #keep(effects: Out): Out {
    for (const effect of effects) {
      if (effect.kind !== "persist") continue
      this.#unwritten.push(effect.key)
      this.disk.set(effect.key, effect.value)
    }
    return effects
  }
}

const kinds = (effects: Out): string[] =>
  effects.flatMap((effect) => (effect.kind === "send" ? [`${effect.body.kind} → ${effect.to}`] : []))
const holds = (task: string, attempt = 1): NodeReport["holds"] => [{ task, attempt, state: "waiting", queue: "all", sinceTick: 0 }]
const accepted = (task: string, node: number): HypervisorHears => ({ kind: "TaskAccepted", task, attempt: 1, node })
const finished = (task: string, node: number, attempt = 1): HypervisorHears => ({
  kind: "TaskFinished",
  task,
  attempt,
  node,
  tick: 20,
  runtime: 10,
})

describe("a memory whose pages are written in turn", () => {
  const told = (effects: Out): unknown[] =>
    effects.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "TaskTune" ? [[effect.body.task, effect.body.shares]] : []))

  it("is said of its tasks on those nodes, once, and taken back; what others said stands", () => {
    const own = { space: "m" }
    const hypervisor = new Hypervisor({ jobs: [job("a", own), job("b", own), job("c", { shares: ["a"] }), job("d", own)] })
    hypervisor.ready()
    for (const [task, node] of [["a", 0], ["b", 1], ["c", 0], ["d", 1]] as const) hypervisor.hear(nodeActor(node), accepted(task, node)) // prettier-ignore
    hypervisor.written()
    const share = (...nodes: number[]): unknown[] => {
      hypervisor.hear(MEMORY_CONTROLLER, { kind: "SpaceShared", space: "m", nodes })
      return told(hypervisor.writtenEffects())
    }
    expect(share(0, 1)).toEqual([
      ["a", ["b", "d"]],
      ["b", ["a", "d"]],
      ["d", ["a", "b"]],
    ])
    expect(share(0, 1)).toEqual([])
    expect(share()).toEqual([
      ["a", []],
      ["b", []],
      ["d", []],
    ])
  })
})

describe("a job is started", () => {
  it("only when its node has been heard of and its record is on disk", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")] })
    expect(kinds(hypervisor.report(0))).toEqual([])
    expect(hypervisor.written()).toEqual(["TaskSubmit → node.0"])
  })

  it("over the nodes in turn, and again until answered", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a"), job("b")] })
    expect(hypervisor.ready()).toEqual(["TaskSubmit → node.0", "TaskSubmit → node.1"])
    hypervisor.hear(nodeActor(0), accepted("a", 0))
    expect(kinds(hypervisor.due(tick(3), "retry"))).toEqual(["TaskSubmit → node.1"])
  })

  it("again, less and less often where the node has no time to answer", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")] })
    hypervisor.ready()
    const said: number[] = []
    for (let at = 3; at <= 700; at += 2) if (kinds(hypervisor.due(tick(at), "retry")).includes("TaskSubmit → node.0")) said.push(at)
    expect(said.slice(0, 7)).toEqual([3, 5, 7, 11, 19, 35, 67])
    expect(said.length).toBeLessThan(20)
  })

  it("on no second node: one that is seen on another node was accepted", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")] })
    hypervisor.ready()
    hypervisor.report(1, { holds: holds("a") })
    expect(kinds(hypervisor.due(tick(3), "retry"))).toEqual([])
    expect(hypervisor.machine.inspect()).toMatchObject({ jobs: { live: 1, submitted: 0 } })
  })

  it("by a hypervisor begun anew where no record says otherwise, and not where one does", () => {
    const disk = new Map<string, Json>()
    const before = new Hypervisor({ jobs: [job("a"), job("b", { arrival: 50 })] }, disk)
    before.ready()
    before.hear(nodeActor(0), accepted("a", 0))
    const after = new Hypervisor({ jobs: [job("a"), job("b", { arrival: 50 })] }, disk)
    after.ready()
    expect(after.machine.inspect()).toMatchObject({ jobs: { live: 1, due: 1 } })
  })
})

describe("the end of a job", () => {
  it("is confirmed when it is on disk, and a copy of the word at once", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")] })
    hypervisor.ready()
    expect(kinds(hypervisor.hear(nodeActor(0), finished("a", 0))).filter((kind) => kind.startsWith("TaskFinishedSeen"))).toEqual([])
    expect(hypervisor.written()).toContain("TaskFinishedSeen → node.0")
    expect(kinds(hypervisor.hear(nodeActor(0), finished("a", 0)))).toContain("TaskFinishedSeen → node.0")
  })
})

describe("a task is lost", () => {
  const lost = (restartable: boolean): { readonly hypervisor: Hypervisor; readonly effects: Out } => {
    const hypervisor = new Hypervisor({ jobs: [job("a", { restartable })] })
    hypervisor.ready()
    hypervisor.hear(nodeActor(0), accepted("a", 0))
    const effects = hypervisor.report(0, { incarnation: 2 })
    return { hypervisor, effects }
  }

  it("with its node, and begins again where it may; the lease of the life before is given back", () => {
    const { hypervisor } = lost(true)
    expect(hypervisor.written()).toContain("TaskSubmit → node.0")
    expect(hypervisor.machine.inspect()).toMatchObject({ live: [{ job: "a", attempt: 2 }] })
    expect(kinds(hypervisor.due(tick(5), "retry"))).toContain("FrameRelease → memory.0")
  })

  it("with its node for good where it may not, and is named", () => {
    expect(lost(false).hypervisor.machine.inspect()).toMatchObject({ jobs: { lost: 1 }, lost: [{ job: "a", reason: "node 0 restarted" }] })
  })

  it("when nobody holds it in three reports", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a", { restartable: true })] })
    hypervisor.ready()
    hypervisor.hear(nodeActor(0), accepted("a", 0))
    for (let count = 0; count < 2; count++) hypervisor.report(0)
    hypervisor.due(tick(50), "check")
    expect(hypervisor.machine.inspect()).toMatchObject({ jobs: { restarts: 0 } })
    hypervisor.report(0)
    hypervisor.due(tick(100), "check")
    expect(hypervisor.machine.inspect()).toMatchObject({ jobs: { restarts: 1 } })
  })

  it("and a life given up that is seen again is revoked", () => {
    const { hypervisor } = lost(true)
    expect(kinds(hypervisor.report(1, { holds: holds("a", 1) }))).toContain("TaskRevoke → node.1")
    expect(kinds(hypervisor.hear(nodeActor(1), { kind: "TaskMoved", task: "a", attempt: 1, node: 1 }))).toEqual(["TaskRevoke → node.1"])
  })
})

describe("a task of a memory of several nodes that moves", () => {
  const told = (effects: Out): unknown[] =>
    effects.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "SpaceMoved" ? [[effect.to, effect.body]] : []))
  const moved = (jobs: NonNullable<MachineInput["jobs"]>): unknown[] => {
    const hypervisor = new Hypervisor({ jobs, memory: { controllers: 2, swapPages: 64 } })
    hypervisor.ready()
    for (const [index, { name }] of jobs.entries()) hypervisor.hear(nodeActor(index % 2), accepted(name, index % 2))
    hypervisor.written()
    const heard = hypervisor.hear(nodeActor(1), { kind: "TaskMoved", task: "a", attempt: 1, node: 1 })
    return told([...heard, ...hypervisor.hear(nodeActor(1), { kind: "TaskMoved", task: "a", attempt: 1, node: 1 })])
  }

  it("is told to every memory controller, once", () => {
    const body = { kind: "SpaceMoved", space: "m", from: 0, to: 1 }
    expect(moved([job("a", { space: "m" }), job("b", { space: "m" }), job("c", { space: "other" })])).toEqual([
      ["memory.0", body],
      ["memory.1", body],
    ])
  })

  it("is not told while another of that memory runs where it was, nor where it has none", () => {
    expect(moved([job("a", { space: "m" }), job("b"), job("c", { space: "m" })])).toEqual([])
    expect(moved([job("a")])).toEqual([])
  })
})

describe("a machine in which nothing moves", () => {
  const still = (hypervisor: Hypervisor, tickNumber: number): Out => {
    hypervisor.report(0, { tick: tickNumber, holds: holds("a") })
    hypervisor.report(1, { tick: tickNumber })
    return hypervisor.due(tick(Math.min(tickNumber, 190)), "check") // the nodes are not silent
  }

  it("loses its scheduler first, and is given up, with the name of a job, when it stands still without", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")], schedule: { policy: "sqms", sliceTicks: 1, peekTicks: 0 } })
    hypervisor.ready()
    for (const at of [50, 100]) still(hypervisor, at)
    expect(hypervisor.machine.failure).toBeNull()
    expect(hypervisor.machine.exits).toEqual([])
    still(hypervisor, 150)
    expect(hypervisor.machine.exits).toMatchObject([{ fault: "stall", policy: "sqms", then: "fallback, and back later" }])
    for (const at of [200, 250]) still(hypervisor, at)
    expect(hypervisor.machine.failure).toBeNull()
    still(hypervisor, 300)
    expect(hypervisor.machine.failure).toMatchObject({ kind: "lost-task", job: "a" })
  })

  it("is not given up because its reports are lost", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a")], schedule: { policy: "sqms", sliceTicks: 1, peekTicks: 0 } })
    hypervisor.ready()
    still(hypervisor, 50)
    for (const at of [100, 150, 200]) hypervisor.due(tick(at), "check")
    expect(hypervisor.machine.failure).toBeNull()
  })
})

describe("a scheduler that does not do its part", () => {
  const fault = (epoch: number, node = 0): HypervisorHears => ({
    kind: "SchedulerFault",
    node,
    epoch,
    queue: "all",
    policy: "sqms",
    tick: 10,
    fault: "stall",
    message: "20 times",
    lines: ["9 > CPU_IDLE cpu 0"],
    tasks: [],
  })
  const swaps = (hypervisor: Hypervisor): object[] => {
    const said: object[] = []
    for (const { kind, ...rest } of hypervisor.writtenEffects())
      if (kind === "send" && "body" in rest && rest.to === "node.0") said.push(rest.body)
    return said.filter((body) => "kind" in body && body.kind === "PolicySwap")
  }
  const plain: MachineInput = { jobs: [job("a", { run: 1000 })], schedule: { policy: "sqms", sliceTicks: 5 } }

  it("is ejected in that tick, once an epoch, and comes back later; the third time it stays out", () => {
    const hypervisor = new Hypervisor(plain)
    hypervisor.ready()
    hypervisor.hear(nodeActor(0), fault(1), tick(10))
    hypervisor.hear(nodeActor(1), fault(1, 1), tick(10))
    expect(swaps(hypervisor)).toEqual([{ kind: "PolicySwap", epoch: 2, policy: "sqms", fallback: true }])
    for (const epoch of [3, 5]) {
      hypervisor.due(tick(epoch * 100), "policy-back")
      expect(swaps(hypervisor)).toEqual([{ kind: "PolicySwap", epoch, policy: "sqms" }])
      hypervisor.hear(nodeActor(0), fault(epoch), tick(epoch * 100 + 10))
      expect(swaps(hypervisor)).toEqual([{ kind: "PolicySwap", epoch: epoch + 1, policy: "sqms", fallback: true }])
    }
    expect(hypervisor.machine.exits.map(({ then }) => then)).toEqual(["quarantine", "fallback, and back later", "fallback, and back later"])
    hypervisor.due(tick(9_000), "policy-back")
    expect(swaps(hypervisor)).toEqual([])
  })

  it("on probation gives way to the policy before it", () => {
    const hypervisor = new Hypervisor({ ...plain, actions: [{ atTick: 5, swap: "mqms" }] })
    hypervisor.ready()
    hypervisor.due(tick(5), "action/0000")
    hypervisor.hear(nodeActor(0), fault(2), tick(20))
    expect(swaps(hypervisor).at(-1)).toEqual({ kind: "PolicySwap", epoch: 3, policy: "sqms" })
    expect(hypervisor.machine.exits).toMatchObject([{ then: "previous policy", next: "sqms" }])
  })
})

describe("nodes that schedule by themselves because somebody asked for it", () => {
  const input: MachineInput = { jobs: [job("a", { run: 1000 })], schedule: { policy: "sqms", sliceTicks: 5 } }
  const ask: HypervisorHears = { kind: "SwapAsk", request: "r", policy: "fallback" }
  const backs = (effects: Out): number => effects.filter((effect) => effect.kind === "timer" && effect.key === "policy-back").length

  it("go on so when the hypervisor begins anew", () => {
    const disk = new Map<string, Json>()
    const before = new Hypervisor(input, disk)
    before.ready()
    before.hear("operator.1" as ActorId, ask)
    const after = new HypervisorMachine({ spec: resolveMachineSpec({ topology: { nodes: 2, cpus: 2 }, ...input }) })
    expect(backs(after.start(tick(30), disk))).toBe(0)
    expect(after.inspect()).toMatchObject({ fallback: true, fallbackAsked: true })
  })

  it("go on so though a policy that was ejected before would be back by now", () => {
    const hypervisor = new Hypervisor(input)
    hypervisor.ready()
    const fault = { node: 0, epoch: 1, queue: "all", policy: "sqms", tick: 10, fault: "stall", message: "20 times" } as const
    const ejected = hypervisor.hear(nodeActor(0), { kind: "SchedulerFault", ...fault, lines: [], tasks: [] }, tick(10))
    expect(backs(ejected)).toBe(1)
    expect(hypervisor.machine.inspect()).toMatchObject({ fallback: true, fallbackAsked: false })
    hypervisor.hear("operator.1" as ActorId, ask, tick(20))
    hypervisor.due(tick(500), "policy-back")
    expect(hypervisor.machine.inspect()).toMatchObject({ fallback: true, fallbackAsked: true })
  })
})

describe("a change of policy", () => {
  const input: MachineInput = {
    jobs: [job("a")],
    actions: [
      { atTick: 5, swap: "mqms" },
      { atTick: 9, swap: "sqms" },
    ],
  }

  it("is told to the nodes when it is on disk, and to one that is behind whenever it reports", () => {
    const hypervisor = new Hypervisor(input)
    hypervisor.ready()
    expect(kinds(hypervisor.due(tick(5), "action/0000"))).toEqual([])
    expect(hypervisor.written()).toEqual(["PolicySwap → node.0", "PolicySwap → node.1"])
    hypervisor.hear(nodeActor(0), { kind: "PolicySwapped", epoch: 2, node: 0 })
    hypervisor.hear(nodeActor(1), { kind: "PolicySwapped", epoch: 2, node: 1 })
    expect(kinds(hypervisor.report(1, { epoch: 1 }))).toContain("PolicySwap → node.1")
  })

  it("that fell into the time when the hypervisor was down is made up for, once", () => {
    const disk = new Map<string, Json>()
    const before = new Hypervisor(input, disk)
    before.ready()
    before.due(tick(5), "action/0000")
    const after = new HypervisorMachine({ spec: resolveMachineSpec({ topology: { nodes: 2, cpus: 2 }, ...input }) })
    const timers = after
      .start(tick(30), disk)
      .flatMap((effect) => (effect.kind === "timer" && effect.key.startsWith("action") ? [effect] : []))
    expect(timers).toEqual([{ kind: "timer", key: "action/0001", at: tick(30) }])
    expect(after.inspect()).toMatchObject({ epoch: 2, policy: "mqms" })
  })
})

describe("a figure in percent", () => {
  it("has two decimals, and a tie goes to the even one", () => {
    expect([percent(29, 32), percent(1, 3), percent(0, 0), percent(1, 1), percent(3, 32)]).toEqual([90.62, 33.33, 0, 100, 9.38])
  })
})

describe("a node that was never heard of", () => {
  it("has lost nothing when it is given up: what was meant for it begins elsewhere, in the same life", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a", { restartable: true }), job("b", { restartable: true })] })
    hypervisor.report(1)
    hypervisor.written()
    hypervisor.hear(
      nodeActor(1),
      { kind: "NodeReport", node: 1, incarnation: 1, tick: 195, epoch: 1, holds: [], idleCpus: 1, dispatches: 0, bypasses: 0 },
      tick(195),
    )
    for (const at of [50, 100, 150, 200]) hypervisor.due(tick(at), "check")
    const sent = hypervisor.writtenEffects().flatMap((effect) => (effect.kind === "send" ? [`${effect.to} ${effect.body.kind}`] : []))
    expect(sent).toContain("node.1 TaskSubmit")
    const told = hypervisor.disk.get("job/a") as { readonly attempt: number; readonly node: number } | undefined
    expect(told).toMatchObject({ attempt: 1, node: 1 })
  })

  it("is alive for any word of it, not for its reports only", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a", { restartable: true })] })
    hypervisor.ready()
    for (const at of [100, 190, 290]) {
      for (const node of [0, 1]) hypervisor.hear(nodeActor(node), { kind: "PolicySwapped", epoch: 1, node }, tick(at))
      hypervisor.due(tick(at), "check")
    }
    const said = hypervisor.due(tick(300), "check")
    expect(said.some((effect) => effect.kind === "event" && effect.name === "node-lost")).toBe(false)
  })

  // Live storm: a host that stood still for four seconds lost the nodes of eight machines, whose words were all there to be read.
  it("is not lost where we stood still ourselves: its time begins anew", () => {
    const hypervisor = new Hypervisor({ jobs: [job("a", { restartable: true })] })
    hypervisor.ready()
    const lostAt = [50, 400, 450, 500, 550, 600].filter((at) =>
      hypervisor.due(tick(at), "check").some((effect) => effect.kind === "event" && effect.name === "node-lost"),
    )
    expect(lostAt).toEqual([600])
  })
})
