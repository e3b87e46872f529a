/** What a scheduler is told of a task. Run time to come is not told: no operating system knows it. */
import { Type, type Static } from "typebox"

export const TaskName = Type.String({ minLength: 1, maxLength: 64, description: "unique in the machine" })
export const QueueName = Type.String({
  pattern: "^([a-z][a-z0-9]{0,15}-)?(all|cpu-[0-9]+)$",
  description: "run queue, after the name of its seat if that has one; also the index of the scheduler actor that holds it",
})
export const NodeIndex = Type.Integer({ minimum: 0, maximum: 63 })
export const CpuIndex = Type.Integer({ minimum: 0, maximum: 255 })
export const Sequence = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
export const Cycles = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: "virtual time, cycles" })

/** Weight of a task that says nothing of it. A task of weight 200 is due twice as much as one of weight 100. */
export const WEIGHT_DEFAULT = 100
export const WEIGHT_MAX = 10_000

export const TaskView = Type.Object(
  {
    task: TaskName,
    taskSeq: Type.Integer({
      minimum: 1,
      description: "grows with each change of the task's state, over all its lives; a decision names the one it saw",
    }),
    ordinal: Type.Integer({ minimum: 0, description: "order of creation" }),
    node: NodeIndex,
    home: Type.Optional(Type.Integer({ minimum: 0, maximum: 63, description: "node of its frames; not given: `node`" })),
    affinity: Type.Array(CpuIndex, { maxItems: 256, description: "CPUs that may run it; empty: any" }),
    preferred: Type.Optional(
      Type.Array(CpuIndex, { maxItems: 256, description: "advice of its owner: CPUs that had better run it; any may" }),
    ),
    workingSet: Type.Integer({ minimum: 0 }),
    runtime: Type.Integer({ minimum: 0, description: "ticks run so far" }),
    lastCpu: Type.Union([CpuIndex, Type.Null()], { description: "CPU it ran on last" }),
    warm: Type.Boolean({ description: "its working set is in the cache of lastCpu" }),
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: WEIGHT_MAX, description: "share that is due to it; not given: 100" })),
    shares: Type.Optional(
      Type.Array(TaskName, {
        maxItems: 16,
        description: "hint: tasks that it shares pages with, or talks to: they had better run at one time on other CPUs, near by",
      }),
    ),
    space: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "address space (VM) that it shares with others" })),
    gang: Type.Optional(
      Type.Object(
        { name: TaskName, size: Type.Integer({ minimum: 1, maximum: 256, description: "members that run together or not at all" }) },
        { additionalProperties: false },
      ),
    ),
    requestedRun: Type.Integer({ minimum: 0, description: "the run time that the job was given; only `compat: ostep` looks at it" }),
  },
  { additionalProperties: false },
)
export type TaskView = Static<typeof TaskView>
