/**
 * Laws about what changes while a machine runs: CPUs that go and come, tasks that get other CPUs, sets of CPUs, turns. A scheduler of
 * contract 1 need not know the events that tell of it: it may be refused once for each, and must have learned it then.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { layoutOfQueue, seatOfQueue } from "@backplane/scenario-machine/topology"
import type { NodeUp, SchedulerCommit, SchedulerEvent, SchedulerEvents, Verdict } from "@backplane/schedule-contract/scheduler-messages"
import type { FakeMachine } from "./fake-machine.ts"
import type { Law } from "./laws.ts"

/** How often others of the same weight may run while a task waits for one CPU. */
const PASSED_OVER_MOST = 20
const WEIGHT_DEFAULT = 100

export function isOfChange(verdict: Verdict): boolean {
  return verdict === "AFFINITY" || verdict === "CPU_OFFLINE" || verdict === "CPU_BUSY"
}

/** The contract that the scheduler of a commit speaks, as it said when it attached last; who said nothing speaks the first. */
export function contractsOf({ passed }: FakeMachine): (commit: SchedulerCommit | undefined) => number {
  const contracts = new Map<unknown, number>()
  for (const { body } of passed)
    if (body.kind === "SchedulerAttach") contracts.set(Reflect.get(body, "queue"), Number(Reflect.get(body, "contract") ?? 1))
  return (commit) => contracts.get(commit?.queue) ?? 1
}

/** Goes through all that passed, with what each scheduler has heard by then. Returns what is wrong first, beyond what is allowed to it. */
function whileHearing<State>(
  machine: FakeMachine,
  make: () => State,
  at: {
    readonly event?: (state: State, event: SchedulerEvent) => void
    readonly nodeUp?: (state: State, up: NodeUp) => void
    /** Null: nothing is wrong; `key`: what it is wrong about. */
    readonly commit: (state: State, commit: SchedulerCommit) => { readonly key: string; readonly what: string } | null
  },
): string | null {
  const states = new Map<string, State>()
  const wrong = new Map<string, number>()
  const contractOf = contractsOf(machine)
  for (const { from, to, body } of machine.passed) {
    const id = actorKind(to) === "scheduler" ? to : from
    const state = states.get(id) ?? make()
    states.set(id, state)
    if (body.kind === "SchedulerEvents") for (const event of (body as unknown as SchedulerEvents).events) at.event?.(state, event)
    if (body.kind === "NodeUp") at.nodeUp?.(state, body as unknown as NodeUp)
    if (body.kind !== "SchedulerCommit") continue
    const commit = body as unknown as SchedulerCommit
    const found = at.commit(state, commit)
    if (found === null) continue
    const times = (wrong.get(`${id} ${found.key}`) ?? 0) + 1
    wrong.set(`${id} ${found.key}`, times)
    if (times > (contractOf(commit) === 1 ? 1 : 0)) return `${from} ${found.what}`
  }
  return null
}

export const CHANGE_LAWS = {
  "heeds a changed affinity": ({ machine }) =>
    whileHearing(machine, () => new Map<string, readonly number[]>(), {
      event: (masks, event) => {
        if ("task" in event && typeof event.task !== "string") masks.set(event.task.task, event.task.affinity)
      },
      commit: (masks, { decisions }) => {
        for (const one of decisions) {
          const mask = one.type === "RUN" ? (masks.get(one.task) ?? []) : []
          if (one.type === "RUN" && mask.length > 0 && !mask.includes(one.cpu))
            return {
              key: `${one.task} ${mask.join()}`,
              what: `puts ${one.task} on CPU ${one.cpu}; it has heard that only ${mask.join(", ")} may run it`,
            }
        }
        return null
      },
    }),
  "decides nothing for a CPU that has gone": ({ machine }) =>
    whileHearing(machine, () => ({ gone: new Map<number, number>() }), {
      event: ({ gone }, event) => {
        if (event.type === "CPU_OFFLINE") gone.set(event.cpu, event.topology)
        if (event.type === "CPU_ONLINE" || event.type === "CPU_IDLE" || event.type === "CPU_RUNNING") gone.delete(event.cpu)
      },
      commit: ({ gone }, { decisions }) => {
        const run = decisions.find((one) => one.type === "RUN" && gone.has(one.cpu))
        return run?.type !== "RUN"
          ? null
          : { key: `${run.cpu} ${gone.get(run.cpu) ?? 0}`, what: `puts ${run.task} on CPU ${run.cpu}, which has gone` }
      },
    }),
  "keeps to the CPUs of its set": ({ machine, spec }) => {
    const all = Array.from({ length: spec.topology.cpus }, (_, cpu) => cpu)
    return whileHearing(machine, () => ({ cpus: all as readonly number[] }), {
      nodeUp: (state, { cpus }) => {
        state.cpus = cpus ?? all
      },
      commit: ({ cpus }, { queue, decisions }) => {
        const own = layoutOfQueue(queue) === "all" ? cpus : cpus.filter((cpu) => queue.endsWith(`cpu-${cpu}`))
        const run = decisions.find((one) => one.type === "RUN" && !own.includes(one.cpu))
        if (run?.type !== "RUN") return null
        // Once: it may have said so before it heard of its set.
        return {
          key: `${run.cpu}`,
          what: `puts ${run.task} on CPU ${run.cpu}; of ${seatOfQueue(queue) || "its"} queue ${queue} are ${own.join(", ")}`,
        }
      },
    })
  },
  "passes nobody over": ({ machine, spec }) => {
    // Of several queues nobody outside knows who waits where; and fifo promises no turns.
    if (spec.topology.cpus > 1 || spec.schedule.policy === "fifo") return null
    const weights = new Map(spec.jobs.map(({ name, weight }) => [name, weight ?? WEIGHT_DEFAULT]))
    const waiting = new Map<string, Map<string, number>>()
    for (const { name, fields } of machine.events) {
      const task = String(fields["backplane.task"])
      if (name === "slice" || name === "task-woken" || name === "task-new") waiting.set(task, new Map())
      if (name === "task-blocked" || name === "task-finished") waiting.delete(task)
      if (name !== "dispatch") continue
      waiting.delete(task)
      for (const [other, counts] of waiting) {
        const times = (counts.get(task) ?? 0) + 1
        counts.set(task, times)
        const most = PASSED_OVER_MOST * Math.max(1, (weights.get(task) ?? WEIGHT_DEFAULT) / (weights.get(other) ?? WEIGHT_DEFAULT))
        if (times > most) return `${other} waits while ${task} runs ${times} times`
      }
    }
    return null
  },
  "hands nothing on without need": ({ machine }) => {
    const said = (kind: string): number => machine.passed.filter(({ body }) => body.kind === kind).length
    const woken = machine.passed.flatMap(({ body }) =>
      body.kind === "SchedulerEvents" ? (body as unknown as SchedulerEvents).events.filter(({ type }) => type === "TASK_WAKEUP") : [],
    ).length
    const handed = new Set(
      machine.passed.flatMap(({ body }) =>
        body.kind === "SchedulerCommit"
          ? (body as unknown as SchedulerCommit).decisions.flatMap((one) => (one.type === "REQUEUE" ? [`${one.task} ${one.stealId}`] : []))
          : [],
      ),
    ).size
    const asked = said("StealAsk")
    return handed <= asked + woken ? null : `${handed} tasks were handed on for ${asked} questions and ${woken} tasks that woke`
  },
} as const satisfies Readonly<Record<string, Law>>
