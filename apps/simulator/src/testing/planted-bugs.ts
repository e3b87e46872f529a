/**
 * Actors with a bug each, made by standing in front of a good one and changing what it hears or says: what is built has no switch for it.
 *
 * Each names the law it breaks; planted-bugs.test.ts shows that the soak's checkers see it.
 */
import { actorKind } from "@backplane/foundation-actor/actor-id"
import type { Body, Effect, Input, Machine, SendEffect } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { TaskView } from "@backplane/schedule-contract/task-view"
import type { SchedulerEvent, SchedulerEvents, SchedulerCommit } from "@backplane/schedule-contract/scheduler-messages"
import { machineActor, type ActorMaker } from "../machine-actors.ts"

/** Null: it hears nothing of it. */
type Ear = (input: Input<Body>) => Input<Body> | null
type Mouth = (effect: Effect<Body>, input: Input<Body>) => readonly Effect<Body>[]

interface Plant {
  readonly kind: "node" | "scheduler" | "memory" | "hypervisor"
  /** Made anew for each life of each actor. */
  readonly make: (index: string) => { readonly ear?: Ear; readonly mouth?: Mouth }
}

/** Actors of a machine, of which those of one kind have the bug. */
function planted({ kind, make }: Plant): ActorMaker {
  return (spec, id, incarnation) => {
    const machine = machineActor(spec, id, incarnation)
    if (actorKind(id) !== kind) return machine
    const { ear = (input): Input<Body> => input, mouth = (effect): readonly Effect<Body>[] => [effect] } = make(id)
    const step: Machine["step"] = machine.step.bind(machine)
    const buggy: Machine["step"] = (now, input) => {
      const heard = ear(input)
      return heard === null ? [] : step(now, heard).flatMap((effect) => mouth(effect, heard))
    }
    return Object.assign(machine, { step: buggy })
  }
}

function isSend(effect: Effect<Body>, kind: string): effect is SendEffect<Body> {
  return effect.kind === "send" && effect.body.kind === kind
}

/** Lets a message of a kind out once; `keyOf` tells repeats from news. */
function onlyOnce(kind: string, keyOf: (body: Body) => string): () => { readonly mouth: Mouth } {
  return () => {
    const said = new Set<string>()
    return {
      mouth: (effect) => {
        if (!isSend(effect, kind)) return [effect]
        const key = keyOf(effect.body)
        if (said.has(key)) return []
        said.add(key)
        return [effect]
      },
    }
  }
}

/** Changes the events that a scheduler hears. */
function events(change: (event: SchedulerEvent) => readonly SchedulerEvent[]): () => { readonly ear: Ear } {
  return () => ({
    ear: (input) => {
      if (input.kind !== "message" || input.body.kind !== "SchedulerEvents") return input
      const body = input.body as SchedulerEvents
      const changed: SchedulerEvents = { ...body, events: body.events.flatMap(change) }
      return { ...input, body: changed }
    },
  })
}

/** Changes the decisions that a scheduler says. */
function decisions(
  change: (decision: SchedulerCommit["decisions"][number]) => SchedulerCommit["decisions"],
): () => { readonly mouth: Mouth } {
  return () => ({
    mouth: (effect) => {
      if (!isSend(effect, "SchedulerCommit")) return [effect]
      const body = effect.body as SchedulerCommit
      const changed: SchedulerCommit = { ...body, decisions: body.decisions.flatMap(change) }
      return [{ ...effect, body: changed }]
    },
  })
}

/** The scheduler takes every task for one that may run anywhere. */
const blindToAffinity = events((event) => {
  if (event.type !== "TASK_NEW" && event.type !== "TASK_PREEMPTED") return [event]
  const task: TaskView = { ...event.task, affinity: [] }
  return [{ ...event, task }]
})

export const PLANTED = {
  /** A repeated question of a thief is handled as a new one, so that a second task is given for it. */
  "steal answered anew": planted({
    kind: "scheduler",
    make: () => {
      const copies = new Map<string, number>()
      return {
        ear: (input) => {
          if (input.kind !== "message" || input.body.kind !== "StealAsk") return input
          const body = input.body as Body & { readonly stealId: string }
          const copy = (copies.get(body.stealId) ?? 0) + 1
          copies.set(body.stealId, copy)
          return { ...input, body: { ...body, stealId: `${body.stealId}#${copy}` } as Body }
        },
        mouth: (effect) => {
          if (!isSend(effect, "SchedulerCommit")) return [effect]
          const body = effect.body as SchedulerCommit
          const restored = body.decisions.map((decision) =>
            decision.type === "REQUEUE" ? { ...decision, stealId: decision.stealId.replace(/#\d+$/, "") } : decision,
          )
          return [{ ...effect, body: { ...body, decisions: restored } as Body }]
        },
      }
    },
  }),
  /** A copy of a commit is handled again. */
  "commit handled twice": planted({
    kind: "node",
    make: () => {
      const numbers = new Map<number, number>()
      let next = 1
      return {
        ear: (input) => {
          if (input.kind !== "message" || input.body.kind !== "SchedulerCommit") return input
          const body = input.body as SchedulerCommit
          numbers.set(next, body.commit)
          return { ...input, body: { ...body, commit: next++ } as Body }
        },
        mouth: (effect) => {
          if (!isSend(effect, "SchedulerVerdicts")) return [effect]
          const body = effect.body as Body & { readonly commit: number }
          return [{ ...effect, body: { ...body, commit: numbers.get(body.commit) ?? 0 } as Body }]
        },
      }
    },
  }),
  "events never repeated": planted({
    kind: "node",
    make: onlyOnce("SchedulerEvents", (body) => {
      const { queue, generation, seq } = body as SchedulerEvents
      return `${queue}/${generation}/${seq}`
    }),
  }),
  "attach never repeated": planted({ kind: "scheduler", make: onlyOnce("SchedulerAttach", (body) => JSON.stringify(body)) }),
  "end of a task never repeated": planted({ kind: "node", make: onlyOnce("TaskFinished", (body) => JSON.stringify(body)) }),
  "submission never repeated": planted({ kind: "hypervisor", make: onlyOnce("TaskSubmit", (body) => JSON.stringify(body)) }),
  "release never repeated": planted({ kind: "node", make: onlyOnce("FrameRelease", (body) => JSON.stringify(body)) }),
  "a clock on the wall": planted({
    kind: "hypervisor",
    make: () => ({
      mouth: (effect) => {
        if (effect.kind !== "timer" || effect.key !== "check") return [effect]
        return [{ ...effect, at: virtualTime(effect.at + (Date.now() % 1000)) }]
      },
    }),
  }),
  "chance of its own": planted({
    kind: "scheduler",
    make: () => ({
      mouth: (effect) => {
        if (effect.kind !== "timer" || effect.key !== "decide") return [effect]
        return [{ ...effect, at: virtualTime(effect.at + Math.floor(Math.random() * 1000)) }]
      },
    }),
  }),
  "task dropped when preempted": planted({ kind: "scheduler", make: events((event) => (event.type === "TASK_PREEMPTED" ? [] : [event])) }),
  "task forgotten when new": planted({ kind: "scheduler", make: events((event) => (event.type === "TASK_NEW" ? [] : [event])) }),
  "task dispatched to two CPUs": planted({
    kind: "scheduler",
    make: decisions((decision) => (decision.type === "RUN" ? [decision, { ...decision, cpu: decision.cpu + 1, idleSeq: 1 }] : [decision])),
  }),
  "task run where it may not": planted({ kind: "scheduler", make: blindToAffinity }),
  "frames never given back": planted({
    kind: "memory",
    make: () => ({ ear: (input) => (input.kind === "message" && input.body.kind === "FrameRelease" ? null : input) }),
  }),
  /** A copy of a question gets frames of its own. */
  "frames leased twice": planted({
    kind: "memory",
    make: () => {
      const copies = new Map<string, number>()
      return {
        ear: (input) => {
          if (input.kind !== "message" || input.body.kind !== "FrameLeaseAsk") return input
          const body = input.body as Body & { readonly owner: string; readonly attempt: number }
          const copy = (copies.get(`${body.owner}/${body.attempt}`) ?? 0) + 1
          copies.set(`${body.owner}/${body.attempt}`, copy)
          return copy === 1 ? input : { ...input, body: { ...body, owner: `${body.owner}#${copy}` } as Body }
        },
      }
    },
  }),
  /** It says that it has the task, and has not. */
  "moved task forgotten": planted({
    kind: "node",
    make: () => ({
      mouth: (effect, input) => {
        const isArrival = input.kind === "message" && input.body.kind === "TaskState"
        return isArrival && !isSend(effect, "TaskReceived") ? [] : [effect]
      },
    }),
  }),
  /** The giver keeps the task that it gave: it says so, and starts it again from the submission. */
  "task begun on two nodes": planted({
    kind: "hypervisor",
    make: () => ({
      mouth: (effect) => {
        if (!isSend(effect, "TaskSubmit")) return [effect]
        const other = effect.to === "node.0" ? "node.1" : "node.0"
        return [effect, { ...effect, to: other as typeof effect.to }]
      },
    }),
  }),
} as const satisfies Readonly<Record<string, ActorMaker>>

export type PlantedBug = keyof typeof PLANTED
