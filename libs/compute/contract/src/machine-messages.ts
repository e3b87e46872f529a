/**
 * What the hypervisor tells nodes of the machine as a whole: a candidate in shadow, CPUs that go and come, tasks that get another affinity
 * or weight. All are levels: said again until confirmed.
 */
import { Type, type Static } from "typebox"

const closed = { additionalProperties: false } as const
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Cpu = Type.Integer({ minimum: 0, maximum: 255 })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Epoch = Type.Integer({ minimum: 1, description: "of the shadow: from the same count as those of policies" })
const Name = Type.String({ minLength: 1, maxLength: 64 })

export const ShadowSwap = Type.Object(
  {
    kind: Type.Literal("ShadowSwap"),
    epoch: Epoch,
    shadow: Type.Union([
      Type.Object(
        { seat: Type.String({ maxLength: 16 }), policy: Type.String({ maxLength: 32 }), layout: Type.Enum(["all", "cpu"]) },
        closed,
      ),
      Type.Null(),
    ]),
  },
  {
    ...closed,
    description: "hypervisor → node: from now on this candidate hears all and decides nothing; null: none does. Repeated until seen",
  },
)
export const ShadowSwapped = Type.Object(
  { kind: Type.Literal("ShadowSwapped"), epoch: Epoch, node: Node },
  { ...closed, description: "node → hypervisor: the shadow of this epoch hears what happens here" },
)

export const SHADOW_DIFFERENCES = ["task", "cpu", "slice", "shadow-silent", "active-silent", "preempt"] as const
/** How the two choices for one idle period of a CPU differ. */
export const ShadowDifference = Type.Object(
  {
    tick: Type.Integer({ minimum: -1 }),
    cpu: Cpu,
    difference: Type.Enum([...SHADOW_DIFFERENCES], {
      description:
        "task: another task; cpu: another task, which the active put on another CPU in that tick; slice: another end; shadow-silent, active-silent: no choice of the one; preempt: the shadow would have taken off what runs",
    }),
    active: Type.Union([Name, Type.Null()]),
    shadow: Type.Union([Name, Type.Null()]),
  },
  closed,
)
export const ShadowReport = Type.Object(
  {
    kind: Type.Literal("ShadowReport"),
    node: Node,
    incarnation: Type.Integer({ minimum: 1 }),
    epoch: Epoch,
    tick: Type.Integer({ minimum: -1 }),
    periods: Type.Integer({ minimum: 0, description: "idle periods of CPUs for which either made a choice" }),
    same: Type.Integer({ minimum: 0, description: "of them, with one choice" }),
    differences: Type.Record(Type.Enum([...SHADOW_DIFFERENCES]), Count),
    refused: Type.Record(Type.String({ maxLength: 16 }), Count, {
      description: "decisions of the shadow that would have been refused, by verdict",
    }),
    silentTicks: Type.Integer({ minimum: 0, description: "age of the oldest word to it that it has not answered" }),
    attached: Type.Boolean({ description: "all its queues are" }),
    exit: Type.Union([Type.String({ maxLength: 200 }), Type.Null()]),
    first: Type.Array(ShadowDifference, { maxItems: 32, description: "the first differences" }),
  },
  { ...closed, description: "node → hypervisor: how the shadow compares with the active schedulers so far; stated again each slice" },
)

export const CpuLevels = Type.Object(
  {
    kind: Type.Literal("CpuLevels"),
    topology: Type.Integer({ minimum: 1, description: "generation: grows with each CPU that goes or comes" }),
    offline: Type.Array(Cpu, { maxItems: 255 }),
  },
  { ...closed, description: "hypervisor → node: these CPUs are off line, all others are there; repeated until seen" },
)
export const CpuLevelsSeen = Type.Object(
  { kind: Type.Literal("CpuLevelsSeen"), node: Node, incarnation: Type.Integer({ minimum: 1 }), topology: Type.Integer({ minimum: 1 }) },
  { ...closed, description: "node → hypervisor: so it is here" },
)

export const TaskTune = Type.Object(
  {
    kind: Type.Literal("TaskTune"),
    task: Name,
    attempt: Type.Integer({ minimum: 1 }),
    tuned: Type.Integer({ minimum: 1, description: "number of the change" }),
    affinity: Type.Array(Cpu, { maxItems: 256 }),
    weight: Type.Integer({ minimum: 1, maximum: 10_000 }),
    shares: Type.Optional(Type.Array(Name, { maxItems: 16, description: "tasks that it shares pages with; not given: as before" })),
  },
  {
    ...closed,
    description: "hypervisor → node: the task has this affinity, weight and hint; repeated until the node that holds it has said so",
  },
)
export const TaskTuned = Type.Object(
  { kind: Type.Literal("TaskTuned"), task: Name, attempt: Type.Integer({ minimum: 1 }), tuned: Count, node: Node },
  { ...closed, description: "node → hypervisor: it lies here, and has" },
)

export type ShadowSwap = Static<typeof ShadowSwap>
export type ShadowSwapped = Static<typeof ShadowSwapped>
export type ShadowDifference = Static<typeof ShadowDifference>
export type ShadowReport = Static<typeof ShadowReport>
export type CpuLevels = Static<typeof CpuLevels>
export type CpuLevelsSeen = Static<typeof CpuLevelsSeen>
export type TaskTune = Static<typeof TaskTune>
export type TaskTuned = Static<typeof TaskTuned>

export const machineMessages = { ShadowSwap, ShadowSwapped, ShadowReport, CpuLevels, CpuLevelsSeen, TaskTune, TaskTuned } as const
