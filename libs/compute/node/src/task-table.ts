/**
 * The tasks that lie on this node: their tokens and what state each is in.
 *
 * Invariants: a task is here once; `taskSeq` grows with every change of state; a task that runs is on exactly one CPU of this node.
 */
import { assert, defined } from "@backplane/foundation-base/assert"
import { PAGE_BYTES } from "@backplane/compute-contract/engine"
import type { GuestState } from "@backplane/compute-contract/guest-state"
import type { ChannelLevel, Spin } from "@backplane/compute-contract/task-engine"
import type { HeldTask, TaskSpec, TaskToken } from "@backplane/compute-contract/task-messages"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { QueueName } from "@backplane/scenario-machine/topology"

export interface Task {
  /** Its affinity and weight may change. */
  spec: TaskSpec
  /** Grows with every change of state, and from life to life; a decision that names an older one is refused. */
  taskSeq: number
  /** leasing: its frames are asked for. waiting: may run. running: on `cpu`. blocked: cannot go on before it is woken. */
  state: "leasing" | "waiting" | "running" | "blocked"
  /** While it is blocked: until when or for what; both null: until its engine says so. */
  sleep: { readonly wakeTick: number | null; readonly awaits: ChannelLevel | null } | null
  /** The queue whose scheduler has the claim. */
  queue: QueueName
  /** Work left, units. */
  left: number
  /** Of a task that came from another node and has not run here yet: what was done of the unit in progress, in 1024ths. */
  part?: number
  /** What it waits for without sleeping; null: nothing. */
  spin: Spin | null
  /** Of a guest that came from another node and has not run here yet: its machine. */
  guest?: GuestState
  /** Ticks run so far, anywhere. */
  runtime: number
  /** Node of its frames. */
  home: number
  lastCpu: number | null
  cpu: number | null
  migrations: number
  /** Tick since which it is in this state. */
  sinceTick: number
  /** Tick since which the claim on it lies with `queue`: a scheduler is given time from here on. Not before `sinceTick`. */
  queuedTick: number
  /** Number of the change of affinity or weight (`spec.tuned`) up to which a refused scheduler was told again how the task is. */
  toldTuned: number
  /** The steal that handed it over last: a repeated hand-over is recognised by it. */
  lastStealId: string | null
}

/** Lives that are remembered, so that a late copy of their submission starts nothing. */
const REMEMBERED_MAX = 4096
/** Changes of state that a life may have: numbers of a later life are above all of an earlier one. */
const SEQS_PER_LIFE = 1_000_000_000
/** Its number within its life when it waits for the first time: 1 is `leasing`. */
const FIRST_WAIT = 2

export class TaskTable {
  readonly #tasks = new Map<string, Task>()
  /** task/attempt of what ended here, oldest first. */
  readonly #tombstones = new Set<string>()
  /** task/attempt of what was submitted here, wherever it is now, oldest first. */
  readonly #begun = new Set<string>()

  get(name: string): Task | undefined {
    return this.#tasks.get(name)
  }

  mustGet(name: string): Task {
    return defined(this.#tasks.get(name), `task ${name} lies here`)
  }

  /** In order of creation, so that whatever loops over it is deterministic. */
  all(): readonly Task[] {
    return [...this.#tasks.values()].sort((a, b) => a.spec.ordinal - b.spec.ordinal)
  }

  /** Tasks that lie here and wait in the queue. */
  waitingIn(queue: QueueName): number {
    let count = 0
    for (const task of this.#tasks.values()) if (task.queue === queue && task.state === "waiting") count++
    return count
  }

  /** In order of creation. */
  blocked(): readonly Task[] {
    const blocked: Task[] = []
    for (const task of this.#tasks.values()) if (task.state === "blocked") blocked.push(task)
    return blocked.sort((a, b) => a.spec.ordinal - b.spec.ordinal)
  }

  get size(): number {
    return this.#tasks.size
  }

  add(task: Task): void {
    assert(!this.#tasks.has(task.spec.task), "a task lies here once")
    this.#tasks.set(task.spec.task, task)
  }

  /** The task ended here, or is void. */
  remove(task: Task): void {
    this.#tasks.delete(task.spec.task)
    remember(this.#tombstones, keyOf(task.spec))
  }

  /** A life begins here. */
  begin(task: Task): void {
    this.add(task)
    remember(this.#begun, keyOf(task.spec))
  }

  hasBegun(spec: { readonly task: string; readonly attempt: number }): boolean {
    return this.#begun.has(keyOf(spec))
  }

  /** The task left for another node: it may come back, so no tombstone. */
  give(task: Task): TaskToken {
    this.#tasks.delete(task.spec.task)
    const { spec, taskSeq, left, part, spin, runtime, home, lastCpu, migrations, guest } = task
    return {
      spec,
      taskSeq,
      left,
      runtime,
      home,
      lastCpu,
      migrations,
      ...(part && { part }),
      ...(spin && { spin }),
      ...(guest && { guest }),
    }
  }

  isOver(spec: { readonly task: string; readonly attempt: number }): boolean {
    return this.#tombstones.has(keyOf(spec))
  }

  setState(task: Task, state: Task["state"], tick: number): void {
    task.state = state
    task.taskSeq++
    task.sinceTick = tick
    task.queuedTick = tick
    task.sleep = null
    if (state !== "running") task.cpu = null
  }
}

function remember(lives: Set<string>, life: string): void {
  lives.add(life)
  if (lives.size > REMEMBERED_MAX) for (const oldest of lives) return void lives.delete(oldest)
}

/** True for a task that waits for the first time in its life. */
export function isFirstWait({ taskSeq }: Task): boolean {
  return taskSeq % SEQS_PER_LIFE === FIRST_WAIT
}

function keyOf(spec: { readonly task: string; readonly attempt: number }): string {
  return `${spec.task}/${spec.attempt}`
}

export function newTask(spec: TaskSpec, queue: QueueName, home: number, tick: number): Task {
  return {
    spec,
    taskSeq: (spec.attempt - 1) * SEQS_PER_LIFE + 1,
    state: "leasing",
    sleep: null,
    queue,
    left: spec.run,
    spin: null,
    runtime: 0,
    home,
    lastCpu: null,
    cpu: null,
    migrations: 0,
    sinceTick: tick,
    queuedTick: tick,
    toldTuned: 0,
    lastStealId: null,
  }
}

export function taskOfToken(token: TaskToken, queue: QueueName, tick: number): Task {
  return {
    ...token,
    spin: token.spin ?? null,
    state: "waiting",
    sleep: null,
    queue,
    cpu: null,
    sinceTick: tick,
    queuedTick: tick,
    toldTuned: 0,
    lastStealId: null,
  }
}

/** The frames that are leased for a task: of a guest all of its memory, of a vCPU what it says, of a job its working set. */
export function framesOf({ guest, vcpu, workingSet }: TaskSpec): number {
  if (vcpu !== undefined) return vcpu.frames
  return guest === undefined ? workingSet : guest.memoryBytes / PAGE_BYTES
}

export function mayRunOn(affinity: readonly number[], cpu: number): boolean {
  return affinity.length === 0 || affinity.includes(cpu)
}

export function viewOf(task: Task, node: number, warm: boolean): TaskView {
  const { spec, taskSeq, runtime, lastCpu, home } = task
  return {
    task: spec.task,
    taskSeq,
    ordinal: spec.ordinal,
    node,
    affinity: [...spec.affinity],
    workingSet: spec.workingSet,
    runtime,
    lastCpu,
    warm,
    requestedRun: spec.run,
    ...(home !== node && { home }),
    ...(spec.weight !== undefined && { weight: spec.weight }),
    ...(spec.preferred !== undefined && { preferred: [...spec.preferred] }),
    ...(spec.shares !== undefined && { shares: [...spec.shares] }),
    ...(spec.space !== undefined && { space: spec.space }),
    ...(spec.gang !== undefined && { gang: spec.gang }),
  }
}

/** `stranded`: no CPU that may run it is on line. */
export function heldOf(task: Task, stranded = false): HeldTask {
  const { spec, state, queue, sinceTick, sleep } = task
  const awaits = sleep?.awaits?.channel
  return {
    task: spec.task,
    attempt: spec.attempt,
    state,
    queue,
    sinceTick,
    ...(awaits !== undefined && { awaits }),
    ...(stranded && { stranded }),
  }
}
