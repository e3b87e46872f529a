/**
 * What must hold in a running machine at every moment, whatever goes wrong: told to the world as checkers and watchers.
 *
 * They look at the machines themselves (`inspect`), never at what one actor believes of another. Each has planted bugs that it must
 * catch (planted-bugs.test.ts). Numbers as in apps/simulator/README.md.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { World } from "@backplane/foundation-simulation/world"
import { NodeMachine } from "@backplane/compute-node/node"
import type { NodeInspection, TaskInspection } from "@backplane/compute-node/inspection"
import { MemoryControllerMachine } from "@backplane/memory-controller/memory-controller"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { MEMORY_CONTROLLER, nodeActor, nodeOfCpu } from "@backplane/scenario-machine/topology"

/** Steps between two looks at the whole machine. */
const EVERY_STEPS = 7

export interface Placed {
  readonly node: number
  readonly task: TaskInspection
}

/** The nodes that are up (a crashed one has nothing any more). */
export function liveNodes(world: World, spec: MachineSpec): NodeInspection[] {
  return Array.from({ length: spec.topology.nodes }, (_, node) => node).flatMap((node) => {
    const id = nodeActor(node)
    const machine = world.stateOf(id) === "crashed" ? null : world.inspect(id, NodeMachine)
    return machine === null ? [] : [machine.inspect()]
  })
}

/** Every task of every living node. */
function placedTasks(nodes: readonly NodeInspection[]): Placed[] {
  return nodes.flatMap(({ node, tasks }) => tasks.map((task) => ({ node, task })))
}

export function lifeOf({ task, attempt }: { readonly task: string; readonly attempt: number }): string {
  return `${task}/${attempt}`
}

export function addMachineCheckers(world: World, spec: MachineSpec): void {
  const progress = new Progress(spec)
  world.addChecker(
    "tasks",
    () => {
      const nodes = liveNodes(world, spec)
      const placed = placedTasks(nodes)
      checkOnePlace(placed)
      checkCpus(nodes, spec)
      checkFramesFit(placed, spec)
      for (const { task } of placed) progress.saw(task)
    },
    { every: EVERY_STEPS },
  )
  world.addChecker(
    "frames",
    () => {
      checkLedger(world, spec)
    },
    { every: EVERY_STEPS },
  )
  const streams = new StreamWatch()
  const ends = new EndWatch(spec)
  const steals = new StealWatch()
  world.onMessage(({ from, body }) => {
    streams.said(from, body)
    ends.said(body)
    steals.said(body)
  })
}

/** C1: one life of a task lies on at most one node. */
function checkOnePlace(placed: readonly Placed[]): void {
  const nodeOf = new Map<string, number>()
  for (const { node, task } of placed) {
    const before = nodeOf.get(lifeOf(task))
    if (before !== undefined) throw new Error(`task ${lifeOf(task)} lies on node ${before} and on node ${node}`)
    nodeOf.set(lifeOf(task), node)
  }
}

/** C2: what a CPU runs lies on its node, runs on this CPU only, and may run there. */
function checkCpus(nodes: readonly NodeInspection[], spec: MachineSpec): void {
  for (const { node, cpus, tasks } of nodes) {
    const byName = new Map(tasks.map((task) => [task.task, task]))
    for (const { cpu, state, task: name } of cpus) {
      if (nodeOfCpu(spec.topology, cpu) !== node) throw new Error(`CPU ${cpu} is not of node ${node}`)
      if (state !== "running" || name === null) continue
      const task = byName.get(name)
      if (task?.state !== "running") throw new Error(`CPU ${cpu} runs ${name}, which node ${node} does not count as running`)
      if (task.cpu !== cpu) throw new Error(`task ${name} runs on CPU ${cpu} and on CPU ${task.cpu}`)
      if (task.affinity.length > 0 && !task.affinity.includes(cpu)) throw new Error(`task ${name} runs on CPU ${cpu}, which it may not use`)
    }
    const busy = new Set(cpus.filter((cpu) => cpu.state === "running").map((cpu) => cpu.task))
    for (const task of tasks)
      if ((task.state === "running") !== busy.has(task.task)) throw new Error(`task ${task.task} is ${task.state}, but no CPU agrees`)
  }
}

/** C3: the tasks that may run never have more frames of a node than it has. */
function checkFramesFit(placed: readonly Placed[], spec: MachineSpec): void {
  const used = new Array<number>(spec.topology.nodes).fill(0)
  for (const { task } of placed) if (task.state !== "leasing") used[task.home] = (used[task.home] ?? 0) + task.workingSet
  for (const [node, frames] of used.entries())
    if (frames > spec.topology.framesPerNode)
      throw new Error(`${frames} frames of node ${node} are in use, and it has ${spec.topology.framesPerNode}`)
}

/** C4: for every node free + leased = all, and no life of a task has two leases. */
function checkLedger(world: World, spec: MachineSpec): void {
  const controller = world.inspect(MEMORY_CONTROLLER, MemoryControllerMachine)?.inspect()
  if (controller === undefined) return
  const leased = new Array<number>(spec.topology.nodes).fill(0)
  const lives = new Set<string>()
  for (const lease of controller.leases) {
    const life = lifeOf({ task: lease.owner, attempt: lease.attempt })
    if (lives.has(life)) throw new Error(`frames are leased twice for ${life}`)
    lives.add(life)
    leased[lease.home] = (leased[lease.home] ?? 0) + lease.frames
  }
  for (const [node, free] of controller.free.entries())
    if (free + (leased[node] ?? 0) !== spec.topology.framesPerNode)
      throw new Error(`node ${node} has ${free} frames free and ${leased[node]} leased, together not ${spec.topology.framesPerNode}`)
}

/** C5: work left only shrinks, run time only grows, and the one fits the other: from `run` at the cold rate to `run` at the warm rate. */
class Progress {
  readonly #warmRate: number
  readonly #last = new Map<string, { readonly left: number; readonly runtime: number; readonly taskSeq: number }>()

  constructor(spec: MachineSpec) {
    this.#warmRate = spec.cache.warmRate
  }

  saw(task: TaskInspection): void {
    const { run, left, runtime, taskSeq } = task
    const life = lifeOf(task)
    const before = this.#last.get(life)
    this.#last.set(life, { left, runtime, taskSeq })
    if (before !== undefined && (left > before.left || runtime < before.runtime || taskSeq < before.taskSeq))
      throw new Error(`task ${life} went back: ${before.left} left after ${before.runtime} ticks, then ${left} after ${runtime}`)
    checkWork({ life, done: run - left, ended: false, runtime, warmRate: this.#warmRate })
  }
}

function checkWork(work: {
  readonly life: string
  readonly done: number
  readonly ended: boolean
  readonly runtime: number
  readonly warmRate: number
}): void {
  const { life, done, ended, runtime, warmRate } = work
  if (done > runtime * warmRate) throw new Error(`task ${life} has done ${done} units in ${runtime} ticks, more than the warm rate allows`)
  if (runtime > Math.max(done, ended ? 1 : 0))
    throw new Error(`task ${life} has run ${runtime} ticks for ${done} units, less than one a tick`)
}

/** C6: a stream of events has no gap, and a number that is said again says the same. */
class StreamWatch {
  /** Stream → the text of each message, from number 1 on. */
  readonly #streams = new Map<string, string[]>()

  said(from: ActorId, body: Body): void {
    if (!isEvents(body)) return
    const { epoch, queue, generation, node, incarnation, seq, events } = body
    const stream = `node ${node}/${incarnation} (${from}) to ${queue}/${generation} in epoch ${epoch}`
    const texts = this.#streams.get(stream) ?? []
    this.#streams.set(stream, texts)
    const text = JSON.stringify(events)
    if (seq > texts.length + 1) throw new Error(`${stream}: number ${seq} comes after ${texts.length}`)
    if (seq === texts.length + 1) texts.push(text)
    else if (texts[seq - 1] !== text) throw new Error(`${stream}: number ${seq} is said twice and differs`)
  }
}

interface EventsBody extends Body {
  readonly epoch: number
  readonly queue: string
  readonly generation: number
  readonly node: number
  readonly incarnation: number
  readonly seq: number
  readonly events: readonly unknown[]
}

function isEvents(body: Body): body is EventsBody {
  return body.kind === "SchedulerEvents"
}

/** C7: a life of a task ends once, and has run as long as its work takes. */
class EndWatch {
  readonly #spec: MachineSpec
  readonly #runOf: ReadonlyMap<string, number>
  readonly #ends = new Map<string, string>()

  constructor(spec: MachineSpec) {
    this.#spec = spec
    this.#runOf = new Map(spec.jobs.map((job) => [job.name, job.run]))
  }

  said(body: Body): void {
    if (!isFinished(body)) return
    const { task, attempt, node, tick, runtime } = body
    const life = lifeOf({ task, attempt })
    const text = `on node ${node} at tick ${tick} after ${runtime} ticks`
    const before = this.#ends.get(life)
    if (before !== undefined && before !== text) throw new Error(`task ${life} ended ${before} and again ${text}`)
    this.#ends.set(life, text)
    const run = this.#runOf.get(task)
    if (run !== undefined) checkWork({ life, done: run, ended: true, runtime, warmRate: this.#spec.cache.warmRate })
  }
}

interface FinishedBody extends Body {
  readonly task: string
  readonly attempt: number
  readonly node: number
  readonly tick: number
  readonly runtime: number
}

function isFinished(body: Body): body is FinishedBody {
  return body.kind === "TaskFinished"
}

/** A life of a scheduler numbers its streams from a multiple of this. */
const STREAMS_PER_LIFE = 1_048_576

/** C11: one question of a thief is answered by one life of a victim with one task, however often it is asked. */
class StealWatch {
  readonly #given = new Map<string, string>()

  said(body: Body): void {
    if (!isCommit(body)) return
    for (const { type, stealId, task } of body.decisions) {
      if (type !== "REQUEUE" || stealId === undefined) continue
      const question = `${stealId} to ${body.queue}/${Math.floor(body.generation / STREAMS_PER_LIFE)}`
      const before = this.#given.get(question)
      if (before !== undefined && before !== task) throw new Error(`the question ${question} is answered with ${before} and with ${task}`)
      this.#given.set(question, task)
    }
  }
}

interface CommitBody extends Body {
  readonly queue: string
  readonly generation: number
  readonly decisions: readonly { readonly type: string; readonly task: string; readonly stealId?: string }[]
}

function isCommit(body: Body): body is CommitBody {
  return body.kind === "SchedulerCommit"
}
