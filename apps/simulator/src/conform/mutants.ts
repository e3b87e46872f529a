/**
 * Schedulers with a fault each, made by standing in front of a good one and changing what it hears or says. Each names the law of the kit
 * that it must be found to break; and a machine must survive every one of them.
 */
import { isSendOf, mutated, type Mutation } from "../testing/mutation.ts"
import type { Body, Effect, Machine } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision, SchedulerCommit, SchedulerEvent, SchedulerEvents } from "@backplane/schedule-contract/scheduler-messages"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { PolicyName } from "@backplane/scenario-machine/machine-spec"
import type { LawName } from "./laws.ts"

export interface Mutant {
  readonly breaks: LawName
  /** The policy that it is made of, where rr would not show the fault. */
  readonly policy?: PolicyName
  readonly make: () => Mutation
}

export function mutantOf(machine: Machine, { make }: Mutant): Machine {
  return mutated(machine, make())
}

type Run = Extract<Decision, { type: "RUN" }>

/** Changes the events that it hears. */
function hearing(change: (event: SchedulerEvent) => readonly SchedulerEvent[]): () => Mutation {
  return () => ({
    ear: (input) => {
      if (input.kind !== "message" || input.body.kind !== "SchedulerEvents") return input
      const body = input.body as SchedulerEvents
      const changed: SchedulerEvents = { ...body, events: body.events.flatMap(change) }
      return { ...input, body: changed }
    },
  })
}

/** Changes the commits that it says. */
function committing(change: (commit: SchedulerCommit) => readonly Body[]): () => Mutation {
  return () => ({
    mouth: (effect) => {
      if (!isSendOf(effect, "SchedulerCommit")) return [effect]
      return change(effect.body as SchedulerCommit).map((body): Effect<Body> => ({ ...effect, body }))
    },
  })
}

/** Changes the runs that it decides. */
function deciding(change: (run: Run) => readonly Decision[]): () => Mutation {
  return committing((commit) => [{ ...commit, decisions: commit.decisions.flatMap((one) => (one.type === "RUN" ? change(one) : [one])) }])
}

function viewIn(event: SchedulerEvent): Extract<SchedulerEvent, { type: "TASK_NEW" }>["task"] | null {
  return "task" in event && typeof event.task !== "string" ? event.task : null
}

const isWaiting = (event: SchedulerEvent): boolean => viewIn(event) !== null

/** Every so many. */
function every(times: number): () => boolean {
  let count = 0
  return () => ++count % times === 0
}

export const MUTANTS = {
  "drops a task on wake-up": {
    breaks: "leaves no CPU idle beside work",
    make: hearing((event) => (event.type === "TASK_WAKEUP" ? [] : [event])),
  },
  "dispatches twice": { breaks: "decides what holds", make: deciding((run) => [run, { ...run, cpu: run.cpu === 0 ? 1 : 0 }]) },
  "decides for a CPU that there is not": { breaks: "decides what holds", make: deciding((run) => [{ ...run, cpu: run.cpu + 100 }]) },
  "names an old state of the task": { breaks: "decides what holds", make: deciding((run) => [{ ...run, taskSeq: run.taskSeq - 1 }]) },
  "answers another idle period": { breaks: "decides what holds", make: deciding((run) => [{ ...run, idleSeq: run.idleSeq + 1 }]) },
  "runs what it makes up": { breaks: "decides what holds", make: deciding((run) => [{ ...run, task: `${run.task}-ghost` }]) },
  "says nothing": { breaks: "answers every message with a commit that has seen it", make: committing(() => []) },
  "is late": {
    breaks: "answers every message with a commit that has seen it",
    make: () => {
      const held: { readonly effect: Effect<Body>; readonly at: number }[] = []
      return {
        mouth: (effect, _input, now) => {
          if (effect.kind !== "send" || effect.body.kind !== "SchedulerCommit") return [effect]
          held.push({ effect, at: now })
          return held.length % 40 === 0 ? held.splice(0).map((one) => one.effect) : []
        },
      }
    },
  },
  "is always idle": { breaks: "leaves no CPU idle beside work", make: deciding(() => []) },
  "forgets pinned tasks": {
    breaks: "leaves no CPU idle beside work",
    make: hearing((event) => ((viewIn(event)?.affinity.length ?? 0) > 0 ? [] : [event])),
  },
  "takes tasks to CPUs that are forbidden to them": {
    breaks: "decides what holds",
    make: hearing((event) => {
      const task = viewIn(event)
      return task === null ? [event] : [{ ...event, task: { ...task, affinity: [] } } as SchedulerEvent]
    }),
  },
  "kicks what it has just put on": {
    breaks: "cuts no slice short without need",
    make: () => {
      let last: Run | null = null
      return {
        mouth: (effect) => {
          if (!isSendOf(effect, "SchedulerCommit")) return [effect]
          const body = effect.body as SchedulerCommit
          const kick: Decision[] = last === null ? [] : [{ type: "KICK", cpu: last.cpu, task: last.task }]
          last = body.decisions.findLast((one) => one.type === "RUN") ?? last
          return [{ ...effect, body: { ...body, decisions: [...kick, ...body.decisions] } as Body }]
        },
      }
    },
  },
  "starves low weights": {
    breaks: "leaves no CPU idle beside work",
    make: hearing((event) => ((viewIn(event)?.weight ?? 100) < 100 ? [] : [event])),
  },
  "dies in mid-swap": {
    breaks: "takes the queue up again after a swap",
    make: () => {
      let isDead = false
      return {
        ear: (input) => {
          isDead ||= input.kind === "message" && input.body.kind === "NodeUp" && (input.body as Body & { epoch: number }).epoch > 1
          return isDead ? null : input
        },
      }
    },
  },
  "floods commits": {
    breaks: "talks no more than it must",
    make: committing((commit) => Array.from({ length: 30 }, (_, copy) => ({ ...commit, commit: commit.commit * 30 + copy }))),
  },
  "says garbage": { breaks: "says only what the contract knows", make: committing(({ decisions: _, ...commit }) => [commit as Body]) },
  "acts before the snapshot": {
    breaks: "decides nothing before the snapshot",
    make: () => ({
      mouth: (effect) => {
        if (!isSendOf(effect, "SchedulerAttach")) return [effect]
        const { epoch, queue, generation } = effect.body as unknown as SchedulerCommit
        const run: Decision = { type: "RUN", cpu: 0, task: "a", taskSeq: 2, at: 0, until: 1_000_000_000, idleSeq: 1 }
        const body = { kind: "SchedulerCommit", epoch, queue, generation, incarnation: 1, commit: 1_000_000, seen: 0, decisions: [run] }
        return [{ ...effect, body } as Effect<Body>, effect]
      },
    }),
  },
  "gives every commit one number": { breaks: "numbers its commits", make: committing((commit) => [{ ...commit, commit: 1 }]) },
  "attaches to one node only": {
    breaks: "attaches to every node",
    make: () => ({ mouth: (effect) => (isSendOf(effect, "SchedulerAttach") && effect.to !== nodeActor(0) ? [] : [effect]) }),
  },
  "gives every stream one generation": {
    breaks: "a new generation for every stream",
    make: () => ({
      mouth: (effect) => {
        if (!isSendOf(effect, "SchedulerAttach")) return [effect]
        return [{ ...effect, body: { ...effect.body, generation: 1_048_576 } as Body }]
      },
    }),
  },
  "claims to have seen what is yet to come": {
    breaks: "claims to have seen only what was said",
    make: committing((commit) => [{ ...commit, seen: commit.seen + 1000 }]),
  },
  "leaks claims": {
    breaks: "leaves no CPU idle beside work",
    make: () => {
      const leaks = every(5)
      return hearing((event) => (event.type === "TASK_PREEMPTED" && leaks() ? [] : [event]))()
    },
  },
  "forgets a claim that was refused": {
    breaks: "leaves no CPU idle beside work",
    make: () => ({
      ear: (input) => (input.kind === "message" && input.body.kind === "SchedulerVerdicts" ? null : input),
      mouth: (effect) => [effect],
    }),
  },
  "gives slices of no length": { breaks: "decides what holds", make: deciding((run) => [{ ...run, until: 1 }]) },
  "gives slices without end": {
    breaks: "gives slices of use",
    make: deciding((run) => [{ ...run, until: virtualTime(Number.MAX_SAFE_INTEGER - 1) }]),
  },
  "says a refused slice again": {
    breaks: "gives no slice again that is over",
    make: () => {
      const ends = new Map<string, Run["until"]>()
      return deciding((run) => {
        const key = `${run.cpu} ${run.idleSeq} ${run.task} ${run.taskSeq}`
        const until = ends.get(key) ?? run.until
        ends.set(key, until)
        return [{ ...run, until }]
      })()
    },
  },
  "speaks of an epoch that is over": {
    breaks: "speaks only of its own epoch",
    make: committing((commit) => [{ ...commit, epoch: 1 }]),
  },
  "ignores a changed affinity": {
    breaks: "heeds a changed affinity",
    make: () => {
      const first = new Map<string, readonly number[]>()
      return hearing((event) => {
        const task = viewIn(event)
        if (task === null) return [event]
        const affinity = first.get(task.task) ?? task.affinity
        first.set(task.task, affinity)
        return [{ ...event, task: { ...task, affinity: [...affinity] } } as SchedulerEvent]
      })()
    },
  },
  "takes a CPU that has gone for an idle one": {
    breaks: "decides nothing for a CPU that has gone",
    make: () => {
      const idleSeqs = new Map<number, number>()
      return hearing((event) => {
        if (event.type === "CPU_IDLE") idleSeqs.set(event.cpu, event.idleSeq)
        return event.type === "CPU_OFFLINE" ? [{ type: "CPU_IDLE", cpu: event.cpu, idleSeq: (idleSeqs.get(event.cpu) ?? 0) + 1 }] : [event]
      })()
    },
  },
  "decides for the CPUs of others": {
    breaks: "keeps to the CPUs of its set",
    make: deciding((run) => [{ ...run, cpu: (run.cpu + 1) % 4 }]),
  },
  "lies about what has run": {
    breaks: "passes nobody over",
    policy: "cfs",
    make: hearing((event) => {
      const isLie = viewIn(event)?.task === "a" && "ranTicks" in event
      return [isLie ? ({ ...event, ranTicks: 0 } as SchedulerEvent) : event]
    }),
  },
  "hands tasks back and forth": {
    breaks: "hands nothing on without need",
    policy: "mqms",
    make: () => {
      const isTurn = every(2)
      let handed = 0
      return committing((commit) => {
        const cpu = Number(/cpu-(\d+)$/.exec(commit.queue)?.[1] ?? 0)
        const decisions = commit.decisions.map((one): Decision => {
          if (one.type !== "RUN" || !isTurn()) return one
          const to = commit.queue.replace(/\d+$/, String((cpu + 1) % 4))
          return { type: "REQUEUE", task: one.task, taskSeq: one.taskSeq, to, stealId: `${commit.queue}/hot/${++handed}` }
        })
        return [{ ...commit, decisions }]
      })()
    },
  },
  "keeps what does not run": {
    breaks: "decides what holds",
    make: committing((commit) => {
      const kept = commit.decisions.flatMap((one): Decision[] =>
        one.type === "RUN"
          ? [one, { type: "KEEP", cpu: one.cpu, task: `${one.task}-ghost`, taskSeq: one.taskSeq, until: 2 * one.until }]
          : [one],
      )
      return [{ ...commit, decisions: kept }]
    }),
  },
  "lets one go on without end": {
    breaks: "gives slices of use",
    make: committing((commit) => {
      const until = Number.MAX_SAFE_INTEGER - 1
      const kept = commit.decisions.flatMap((one): Decision[] =>
        one.type === "RUN" ? [one, { type: "KEEP", cpu: one.cpu, task: one.task, taskSeq: one.taskSeq, until }] : [one],
      )
      return [{ ...commit, decisions: kept }]
    }),
  },
  "sets more timers than a node keeps": {
    breaks: "decides what holds",
    make: committing((commit) => {
      const timers = Array.from({ length: 66 }, (_, index): Decision => ({ type: "TIMER", key: `t${index}`, at: 600_000_000 }))
      return [{ ...commit, decisions: [...commit.decisions, ...timers] }]
    }),
  },
  "forgets everything now and then": {
    breaks: "leaves no CPU idle beside work",
    make: () => {
      const forgets = every(7)
      return hearing((event) => (isWaiting(event) && event.type !== "TASK_NEW" && forgets() ? [] : [event]))()
    },
  },
} as const satisfies Readonly<Record<string, Mutant>>

export type MutantName = keyof typeof MUTANTS
