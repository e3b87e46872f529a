/**
 * What a scheduler must keep to, judged by what passed between it and the nodes of a fake machine in which nothing went wrong by itself.
 * The rules themselves are in the README of schedule/contract; the numbers here are those of `backplane sched conform`.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { TickClock } from "@backplane/scenario-machine/tick-clock"
import type {
  SchedulerAttach,
  SchedulerCommit,
  SchedulerEvents,
  SchedulerVerdicts,
  Verdict,
} from "@backplane/schedule-contract/scheduler-messages"
import type { FakeMachine, Passed } from "./fake-machine.ts"
import { CHANGE_LAWS, contractsOf, isOfChange } from "./laws-of-change.ts"

export interface Trial {
  readonly spec: MachineSpec
  readonly machine: FakeMachine
  /** It went to its end, and was not broken off because nobody stopped talking. */
  readonly ended: boolean
}

export type LawName = keyof typeof LAWS

/** What is wrong, in one line; null: nothing. */
export type Law = (trial: Trial) => string | null

const TAKEN_BACK: readonly Verdict[] = ["CPU_BUSY", "STALE_TASK", "UNKNOWN_TASK", "NOT_RUNNABLE"]
const LATE_SLICES = 1
/** Commits that may come beside the answers: a steal, a hand-over, a decision at its own time. */
const EXTRA_COMMITS = 4

export const LAWS = {
  "says only what the contract knows": ({ machine }) => {
    const garbage = machine.passed.filter(({ body }) => body.kind === "garbage")
    return garbage.length === 0 ? null : `${garbage.length} messages are none of the contract`
  },
  "attaches to every node": ({ spec, machine }) => {
    const wanted = spec.topology.nodes
    for (const id of new Set(machine.passed.filter(({ from }) => actorKind(from) === "scheduler").map(({ from }) => from))) {
      const nodes = new Set(attaches(machine).flatMap(({ from, to }) => (from === id ? [to] : [])))
      if (nodes.size < wanted) return `${id} attached to ${nodes.size} of ${wanted} nodes`
    }
    return attaches(machine).length === 0 ? "no attach came" : null
  },
  "a new generation for every stream": ({ machine }) => {
    const last = new Map<string, SchedulerAttach>()
    for (const { from, to, body } of attaches(machine)) {
      const attach = body as unknown as SchedulerAttach
      const before = last.get(`${from} ${to}`)
      last.set(`${from} ${to}`, attach)
      if (before === undefined) continue
      // The same again is a repeat; after a swap it is not.
      const isOld = attach.generation < before.generation || (attach.generation === before.generation && attach.epoch > before.epoch)
      if (isOld) return `${from} attaches to ${to} with generation ${attach.generation} after ${before.generation}`
    }
    return null
  },
  "decides nothing before the snapshot": ({ machine }) => {
    const synced = new Set<string>()
    for (const { from, to, body } of machine.passed) {
      if (isEvents(body)) synced.add(`${to} ${from} ${body.generation}`)
      if (isCommit(body) && body.decisions.length > 0 && !synced.has(`${from} ${to} ${body.generation}`))
        return `${from} decides for ${to} in generation ${body.generation} before its snapshot`
    }
    return null
  },
  "answers every message with a commit that has seen it": ({ spec, machine }) => {
    const limit = LATE_SLICES * spec.schedule.sliceTicks * spec.clock.tickCycles
    const end = machine.passed.at(-1)?.at ?? 0
    /** By stream: the messages that are not answered yet. */
    const open = new Map<string, Map<number, number>>()
    const generations = new Map<string, number>()
    for (const { at, from, to, body } of machine.passed) {
      if (isEvents(body)) {
        const stream = `${to} ${from}`
        const waiting = open.get(stream) ?? new Map<number, number>()
        open.set(stream, waiting)
        if (generations.get(stream) !== body.generation) waiting.clear() // the stream before is over
        generations.set(stream, body.generation)
        if (!waiting.has(body.seq)) waiting.set(body.seq, at)
      } else if (isCommit(body)) {
        const waiting = open.get(`${from} ${to}`) ?? new Map<number, number>()
        for (const [seq, since] of waiting) {
          if (seq > body.seen) continue
          waiting.delete(seq)
          if (at - since > limit) return `message ${seq} of ${to} to ${from} was answered after ${at - since} cycles; a slice is ${limit}`
        }
      } else if (body.kind === "SchedulerAttach") open.get(`${from} ${to}`)?.clear()
    }
    for (const [stream, waiting] of open)
      for (const [seq, since] of waiting) if (end - since > limit) return `message ${seq} on ${stream} is not answered within a slice`
    return null
  },
  "claims to have seen only what was said": ({ machine }) => {
    const said = new Map<string, number>()
    for (const { from, to, body } of machine.passed) {
      if (isEvents(body)) said.set(`${to} ${from} ${body.generation}`, body.seq)
      if (!isCommit(body)) continue
      const seq = said.get(`${from} ${to} ${body.generation}`) ?? 0
      if (body.seen > seq) return `${from} has seen message ${body.seen} of ${to}, which has said ${seq}`
    }
    return null
  },
  "numbers its commits": ({ machine }) => {
    const last = new Map<string, SchedulerCommit>()
    for (const { from, to, body } of machine.passed) {
      if (!isCommit(body)) continue
      const stream = `${from} ${to} ${body.generation}`
      const before = last.get(stream)
      if (before !== undefined && body.commit <= before.commit && JSON.stringify(before) !== JSON.stringify(body))
        return `${from} says commit ${body.commit} to ${to} after ${before.commit}, and another one`
      last.set(stream, body)
    }
    return null
  },
  "decides what holds": ({ machine, spec }) => {
    const contractOf = contractsOf(machine)
    const refused = refusals(machine).filter(({ verdict, index, commit }) => {
      const decision = commit?.decisions[index]
      // A preemption may come too late, and so may KEEP: the slice was over, or the task had paused.
      if (decision?.type === "KEEP" && verdict === "STALE_TASK" && decision.taskSeq > 0) return !ranLately(machine, decision)
      if (decision?.type === "RUN" && decision.preempt === true && verdict === "CPU_BUSY") return false
      // A choice ahead is taken back where another CPU can have the task now: then it may still be on its way.
      if (decision?.type === "RUN" && decision.next === true && TAKEN_BACK.includes(verdict)) return false
      // Where two sets share a machine, a CPU that waits too long takes a task of the other by itself.
      if (decision?.type === "RUN" && verdict === "CPU_BUSY" && isShared(machine)) return false
      // Who speaks the first contract learns of a change by being refused: laws-of-change.ts counts.
      return !(isOfChange(verdict) && contractOf(commit) === 1)
    })
    const first = refused[0]
    if (first === undefined) return null
    const decision = JSON.stringify(first.commit?.decisions[first.index] ?? null)
    return `${refused.length} decisions were refused in a machine where nothing goes wrong (${spec.jobs.length} tasks); the first: ${first.verdict} for ${decision}`
  },
  "gives no slice again that is over": ({ machine, spec }) => {
    const ticks = new TickClock(spec.clock)
    /** By `scheduler node`: the time that the node's verdicts told last. */
    const told = new Map<string, number>()
    for (const { from, to, body } of machine.passed) {
      if (body.kind === "SchedulerVerdicts") told.set(`${to} ${from}`, (body as unknown as SchedulerVerdicts).at ?? 0)
      if (!isCommit(body)) continue
      const at = told.get(`${from} ${to}`) ?? 0
      const run = body.decisions.find(
        (one) => one.type === "RUN" && one.next !== true && ticks.tickAt(virtualTime(one.until)) <= ticks.tickAt(virtualTime(at)),
      )
      if (run?.type === "RUN")
        return `${from} gives ${run.task} a slice until ${run.until}; ${to} has said with its verdicts that it is ${at}`
    }
    return null
  },
  ...CHANGE_LAWS,
  "speaks only of its own epoch": ({ machine }) => {
    let epoch = 1
    let sinceSwap = 0
    for (const { from, to, body } of machine.passed) {
      if (isEvents(body) && body.epoch > epoch) epoch = body.epoch
      if (isCommit(body) && body.epoch < epoch && ++sinceSwap > EXTRA_COMMITS)
        return `${from} still speaks to ${to} of epoch ${body.epoch} in ${epoch}`
    }
    return null
  },
  "takes the queue up again after a swap": ({ machine, spec }) => {
    const epochs = new Set(
      machine.passed.flatMap(({ body }) => (body.kind === "NodeUp" ? [(body as unknown as SchedulerAttach).epoch] : [])),
    )
    const last = Math.max(1, ...epochs)
    const runs = machine.passed.some(({ body }) => isCommit(body) && body.epoch === last && body.decisions.length > 0)
    return last === 1 || runs ? null : `no decision came after the swap to epoch ${last} (${spec.schedule.policy})`
  },
  "leaves no CPU idle beside work": ({ machine }) => {
    const bypasses = machine.events.filter(({ name }) => name === "scheduler-bypassed")
    const first = bypasses[0]?.fields
    return first === undefined
      ? null
      : `${bypasses.length} times a CPU had to help itself; first with ${String(first["backplane.task"])} on CPU ${String(first["backplane.cpu"])}`
  },
  "loses no task": ({ machine, spec, ended }) => {
    if (!ended) return "it never stopped talking"
    const lost = spec.jobs.filter(({ name }) => !machine.finished.has(name)).map(({ name }) => name)
    return lost.length === 0 ? null : `not done: ${lost.join(" ")}`
  },
  "lets nobody starve": ({ machine }) => {
    const faults = machine.events.filter(({ name }) => name === "scheduler-fault")
    return faults.length === 0 ? null : `a node complains: ${String(faults[0]?.fields["backplane.reason"])}`
  },
  "talks no more than it must": ({ machine }) => {
    const heard = machine.passed.filter(({ to }) => actorKind(to) === "scheduler").length
    const commits = machine.passed.filter(({ body }) => isCommit(body)).length
    return commits <= 2 * heard + EXTRA_COMMITS ? null : `${commits} commits on ${heard} messages`
  },
  "cuts no slice short without need": ({ machine }) => {
    const kicks = machine.passed.flatMap(({ body }) => (isCommit(body) ? body.decisions.filter(({ type }) => type === "KICK") : [])).length
    const woken = machine.passed.flatMap(({ body }) =>
      isEvents(body) ? body.events.filter(({ type }) => type === "TASK_WAKEUP") : [],
    ).length
    const preempts = machine.passed.flatMap(({ body }) =>
      isCommit(body) ? body.decisions.filter((one) => one.type === "RUN" && one.preempt === true) : [],
    ).length
    return kicks + preempts <= woken ? null : `${kicks} kicks and ${preempts} preemptions for ${woken} tasks that woke`
  },
  "gives slices of use": ({ machine, spec }) => {
    const least = spec.clock.tickCycles
    for (const { at, from, body } of machine.passed) {
      if (!isCommit(body)) continue
      for (const decision of body.decisions)
        if (decision.type === "RUN" && (decision.until - (decision.next === true ? 0 : at) < 0 || decision.until - at > 100_000 * least))
          return `${from} gives ${decision.task} a slice until ${decision.until} at ${at}`
        else if (decision.type === "KEEP" && decision.until - at > 100_000 * least)
          return `${from} lets ${decision.task} go on until ${decision.until} at ${at}`
    }
    return null
  },
} as const satisfies Readonly<Record<string, Law>>

/** Two sets of CPUs: the schedulers were told which are theirs. */
function isShared({ passed }: FakeMachine): boolean {
  return passed.some(({ body }) => body.kind === "NodeUp" && Reflect.get(body, "cpus") !== undefined)
}

/** A KEEP for a task that this CPU was told to run. */
function ranLately({ passed }: FakeMachine, keep: { readonly cpu: number; readonly task: string; readonly taskSeq: number }): boolean {
  return passed.some(
    ({ body }) =>
      isCommit(body) &&
      body.decisions.some((one) => one.type === "RUN" && one.cpu === keep.cpu && one.task === keep.task && one.taskSeq === keep.taskSeq),
  )
}

export interface Refusal {
  readonly verdict: Verdict
  readonly index: number
  readonly commit: SchedulerCommit | undefined
}

/** Verdicts that the nodes themselves gave, of what came in time: those that the kit made up have no refused decision in the node's own record. */
export function refusals(machine: FakeMachine): readonly Refusal[] {
  const commits = new Map<string, SchedulerCommit>()
  for (const { from, to, body } of machine.passed) if (isCommit(body)) commits.set(`${from} ${to} ${body.generation} ${body.commit}`, body)
  return machine.passed.flatMap(({ from, to, body }) => {
    if (body.kind !== "SchedulerVerdicts" || machine.madeUp.has(body)) return []
    const said = body as unknown as SchedulerVerdicts
    const key = `${to} ${from} ${said.generation} ${said.commit}`
    const commit = commits.get(key)
    if (machine.late.has(key)) return []
    return said.verdicts.flatMap((verdict, index) => (verdict === "OK" ? [] : [{ verdict, index, commit }]))
  })
}

function attaches(machine: FakeMachine): readonly Passed[] {
  return machine.passed.filter(({ body }) => body.kind === "SchedulerAttach")
}

export function isEvents(body: { readonly kind: string }): body is SchedulerEvents {
  return body.kind === "SchedulerEvents"
}

export function isCommit(body: { readonly kind: string }): body is SchedulerCommit {
  return body.kind === "SchedulerCommit"
}
