/** What a scheduler tells the hypervisor when the run cannot go on. */
import { Type, type Static } from "typebox"
import { QueueName } from "./task-view.ts"

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
