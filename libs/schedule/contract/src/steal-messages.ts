/**
 * What schedulers of different queues say to each other to move work: ask, answer, and (only in `compat: ostep`) the token that
 * makes the looks of all CPUs happen one after the other, as the model has it.
 *
 * A granted steal is answered by the node that holds the task (TASK_NEW with the same stealId): the last of a chain answers the first.
 */
import { Type, type Static } from "typebox"
import { CpuIndex, QueueName, Sequence, TaskName, TaskView } from "./task-view.ts"

const closed = { additionalProperties: false } as const
const Epoch = Type.Integer({ minimum: 1 })
const StealId = Type.String({
  maxLength: 96,
  description: "thief's queue, its generation, the epoch and a count: a repeat gets the stored answer",
})

export const StealAsk = Type.Object(
  {
    kind: Type.Literal("StealAsk"),
    epoch: Epoch,
    stealId: StealId,
    thief: QueueName,
    cpu: CpuIndex,
    task: Type.Union([TaskName, Type.Null()], { description: "the task that was offered; null: the first that may move" }),
  },
  { ...closed, description: "scheduler (thief) → scheduler (victim): give me one waiting task" },
)
export const StealNone = Type.Object(
  { kind: Type.Literal("StealNone"), epoch: Epoch, stealId: StealId },
  { ...closed, description: "scheduler (victim) → scheduler (thief): nothing to give" },
)
export const OfferAsk = Type.Object(
  { kind: Type.Literal("OfferAsk"), epoch: Epoch, round: Sequence, thief: QueueName, cpu: CpuIndex },
  { ...closed, description: "scheduler (idle) → scheduler (every other): what could I take from you?" },
)
export const OfferAnswer = Type.Object(
  {
    kind: Type.Literal("OfferAnswer"),
    epoch: Epoch,
    round: Sequence,
    queue: QueueName,
    waiting: Type.Integer({ minimum: 0 }),
    load: Type.Optional(Type.Integer({ minimum: 0, description: "weights of the tasks that wait and run here" })),
    offer: Type.Union([TaskView, Type.Null()], { description: "the waiting task that loses least by moving" }),
  },
  { ...closed, description: "scheduler (asked) → scheduler (idle): how many wait here, and the task that I would give" },
)
export const StealToken = Type.Object(
  {
    kind: Type.Literal("StealToken"),
    epoch: Epoch,
    tick: Sequence,
    draws: Type.Integer({ minimum: 0, description: "outputs of the Mersenne Twister taken so far" }),
  },
  { ...closed, description: "scheduler (of CPU n) → scheduler (of CPU n + 1): it is your turn to look (compat: ostep)" },
)
export const StealDone = Type.Object(
  { kind: Type.Literal("StealDone"), epoch: Epoch, tick: Sequence, draws: Sequence },
  { ...closed, description: "scheduler (of the last CPU) → scheduler (all): everyone has looked, assign now (compat: ostep)" },
)

export type StealAsk = Static<typeof StealAsk>
export type StealNone = Static<typeof StealNone>
export type OfferAsk = Static<typeof OfferAsk>
export type OfferAnswer = Static<typeof OfferAnswer>
export type StealToken = Static<typeof StealToken>
export type StealDone = Static<typeof StealDone>
