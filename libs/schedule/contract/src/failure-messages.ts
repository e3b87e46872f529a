/** What the hypervisor is told of schedulers: that the run cannot go on, and that one does not do its part. */
import { Type, type Static } from "typebox"
import { CpuIndex, NodeIndex, QueueName, TaskName } from "./task-view.ts"

export const SchedulerFailure = Type.Object(
  {
    kind: Type.Literal("SchedulerFailure"),
    queue: QueueName,
    reason: Type.Enum(["no-victim"], { description: "no-victim: a look into other queues with no other queue (compat: ostep)" }),
    tick: Type.Integer({ minimum: 0 }),
  },
  { additionalProperties: false, description: "scheduler → hypervisor: the run cannot go on" },
)
export type SchedulerFailure = Static<typeof SchedulerFailure>

export const FAULT_KINDS = ["stall", "starved", "silent", "lag", "abuse", "exit"] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

const closed = { additionalProperties: false } as const
const Ticks = Type.Integer({ minimum: -1 })

export const SchedulerFault = Type.Object(
  {
    kind: Type.Literal("SchedulerFault"),
    node: NodeIndex,
    epoch: Type.Integer({ minimum: 1 }),
    queue: QueueName,
    policy: Type.String({ maxLength: 32 }),
    tick: Ticks,
    fault: Type.Enum([...FAULT_KINDS]),
    message: Type.String({ maxLength: 400 }),
    lines: Type.Array(Type.String({ maxLength: 200 }), {
      maxItems: 100,
      description:
        "the last things said to the scheduler (>), said by it with the verdict (<), and done without it (=), each with its tick",
    }),
    tasks: Type.Array(
      Type.Object(
        {
          task: TaskName,
          taskSeq: Type.Integer({ minimum: 1 }),
          state: Type.Enum(["leasing", "waiting", "running", "blocked"]),
          ticks: Type.Integer({ minimum: 0, description: "in this state" }),
          runtime: Type.Integer({ minimum: 0 }),
          cpu: Type.Union([CpuIndex, Type.Null()]),
          affinity: Type.Array(CpuIndex, { maxItems: 256 }),
        },
        closed,
      ),
      { maxItems: 64, description: "tasks of the queue on this node" },
    ),
  },
  { ...closed, description: "node → hypervisor: the scheduler of the queue does not do its part; said again while the epoch lasts" },
)
export type SchedulerFault = Static<typeof SchedulerFault>
