/**
 * Tasks between the hypervisor and the nodes, and from node to node.
 *
 * The state of a task is a token: it lies on exactly one node. A move is a fetch by the node whose CPU was told to run it; the giver
 * keeps a copy to answer a repeated fetch, but no longer holds the task.
 */
import { GuestSpec } from "@backplane/scenario-machine/guest-spec"
import { ChannelName, PhaseSpec, PHASES_MAX } from "@backplane/scenario-machine/phase-spec"
import { VcpuRef } from "@backplane/scenario-machine/vm-spec"
import { Type, type Static } from "typebox"
import { GuestOutcome, GuestState } from "./guest-state.ts"

const closed = { additionalProperties: false } as const
const Node = Type.Integer({ minimum: 0, maximum: 63 })
const Cpu = Type.Integer({ minimum: 0, maximum: 255 })
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Incarnation = Type.Integer({ minimum: 1, description: "life of the node" })
const Queue = Type.String({ pattern: "^([a-z][a-z0-9]{0,15}-)?(all|cpu-[0-9]+)$" })
const Name = Type.String({ minLength: 1, maxLength: 64 })
const Attempt = Type.Integer({ minimum: 1, description: "which life of the task; an older one is void" })

export const TaskSpec = Type.Object(
  {
    task: Name,
    attempt: Attempt,
    ordinal: Count,
    run: Count,
    workingSet: Count,
    affinity: Type.Array(Cpu, { maxItems: 256 }),
    weight: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, description: "share that is due to it; not given: 100" })),
    tuned: Type.Optional(Type.Integer({ minimum: 1, description: "changes of affinity and weight so far; not given: none" })),
    phases: Type.Optional(Type.Array(PhaseSpec, { minItems: 1, maxItems: PHASES_MAX, description: "repeated until the work is done" })),
    preferred: Type.Optional(Type.Array(Cpu, { maxItems: 256 })),
    shares: Type.Optional(Type.Array(Name, { maxItems: 16 })),
    space: Type.Optional(Name),
    gang: Type.Optional(Type.Object({ name: Name, size: Type.Integer({ minimum: 1, maximum: 256 }) }, closed)),
    stall: Type.Optional(Type.Integer({ minimum: 0, maximum: 999, description: "of 1000 cycles, those in which it waits for memory" })),
    guest: Type.Optional(GuestSpec),
    vcpu: Type.Optional(VcpuRef),
  },
  closed,
)
export type TaskSpec = Static<typeof TaskSpec>

/** All that a task is, apart from its memory: what travels when it moves. */
export const TaskToken = Type.Object(
  {
    spec: TaskSpec,
    taskSeq: Type.Integer({ minimum: 1 }),
    left: Type.Integer({ minimum: 0, description: "work left, units" }),
    part: Type.Optional(Type.Integer({ minimum: 1, maximum: 1023, description: "of the next unit, in 1024ths: what is done of it" })),
    spin: Type.Optional(
      Type.Object(
        { channel: ChannelName, level: Count, to: Type.Optional(Name) },
        { ...closed, description: "what it waits for without sleeping; `to`: whom it gives way to after a tick of it" },
      ),
    ),
    runtime: Type.Integer({ minimum: 0, description: "ticks run" }),
    home: Type.Integer({ minimum: 0, maximum: 63, description: "node of its frames" }),
    lastCpu: Type.Union([Cpu, Type.Null()]),
    migrations: Count,
    guest: Type.Optional(GuestState),
  },
  closed,
)
export type TaskToken = Static<typeof TaskToken>

export const TaskSubmit = Type.Object(
  { kind: Type.Literal("TaskSubmit"), spec: TaskSpec, queue: Queue, incarnation: Incarnation },
  {
    ...closed,
    description:
      "hypervisor → node: start this task; repeated until accepted or rejected. Void for any other life of the node: an earlier one may have begun it",
  },
)
export const TaskAccepted = Type.Object(
  { kind: Type.Literal("TaskAccepted"), task: Name, attempt: Attempt, node: Node },
  { ...closed, description: "node → hypervisor: the task lies here and may be scheduled; said again for every repeated TaskSubmit" },
)
export const TaskRejected = Type.Object(
  { kind: Type.Literal("TaskRejected"), task: Name, attempt: Attempt, node: Node, reason: Type.String({ maxLength: 200 }) },
  { ...closed, description: "node → hypervisor: this task cannot be started here, and why" },
)
export const TaskFinished = Type.Object(
  {
    kind: Type.Literal("TaskFinished"),
    task: Name,
    attempt: Attempt,
    node: Node,
    tick: Type.Integer({ minimum: 0, description: "first tick after its last" }),
    runtime: Count,
    guest: Type.Optional(GuestOutcome),
  },
  { ...closed, description: "node → hypervisor: the task has done all its work; repeated until seen" },
)
export const TaskFinishedSeen = Type.Object(
  { kind: Type.Literal("TaskFinishedSeen"), task: Name, attempt: Attempt },
  { ...closed, description: "hypervisor → node: the end of the task is noted; repeat it no more" },
)
export const TaskMoved = Type.Object(
  { kind: Type.Literal("TaskMoved"), task: Name, attempt: Attempt, node: Node },
  { ...closed, description: "node → hypervisor: the task lies here now; stated again in every report" },
)
export const TaskRevoke = Type.Object(
  { kind: Type.Literal("TaskRevoke"), task: Name, attempt: Attempt },
  { ...closed, description: "hypervisor → node: this life of the task is void; drop it" },
)
export const TaskFetch = Type.Object(
  { kind: Type.Literal("TaskFetch"), task: Name, taskSeq: Count, node: Node, incarnation: Incarnation, cpu: Cpu },
  { ...closed, description: "node (of the CPU) → node (of the task): hand the task over; repeated until answered" },
)
export const TaskState = Type.Object(
  { kind: Type.Literal("TaskState"), token: TaskToken, fetchedSeq: Count, cpu: Cpu, queue: Queue },
  { ...closed, description: "node (of the task) → node (of the CPU): the token itself; from here on the task lies with the receiver" },
)
export const TaskFetchRefusal = Type.Object(
  { kind: Type.Literal("TaskFetchRefusal"), task: Name, taskSeq: Count, cpu: Cpu, reason: Type.Enum(["unknown", "stale", "running"]) },
  { ...closed, description: "node (asked) → node (of the CPU): the task is not handed over, and why" },
)
export const TaskReceived = Type.Object(
  { kind: Type.Literal("TaskReceived"), task: Name, fetchedSeq: Count },
  { ...closed, description: "node (of the CPU) → node (that gave): the token has come; the giver may forget its copy" },
)

const HeldTask = Type.Object(
  {
    task: Name,
    attempt: Attempt,
    state: Type.Enum(["leasing", "waiting", "running", "blocked"]),
    queue: Queue,
    awaits: Type.Optional(Type.String({ maxLength: 64, description: "of a blocked task: the channel whose level it waits for" })),
    sinceTick: Type.Integer({ minimum: -1 }),
    stranded: Type.Optional(Type.Literal(true, { description: "all CPUs that may run it are off line" })),
  },
  closed,
)
export const NodeReport = Type.Object(
  {
    kind: Type.Literal("NodeReport"),
    node: Node,
    incarnation: Incarnation,
    tick: Type.Integer({ minimum: -1 }),
    epoch: Count,
    holds: Type.Array(HeldTask, { maxItems: 10_000 }),
    idleCpus: Count,
    dispatches: Count,
    bypasses: Count,
  },
  { ...closed, description: "node → hypervisor: I live, and this is what lies here; the heartbeat" },
)
const Level = Type.Object({ channel: ChannelName, task: Name, level: Count }, closed)
export const ChannelLevels = Type.Object(
  {
    kind: Type.Literal("ChannelLevels"),
    node: Node,
    incarnation: Incarnation,
    batch: Count,
    whole: Type.Boolean({ description: "all that this node knows: the answer to ChannelAsk" }),
    levels: Type.Array(Level, { maxItems: 10_000 }),
  },
  { ...closed, description: "node → node: so far have these tasks advanced these channels; repeated until seen" },
)
export const ChannelLevelsSeen = Type.Object(
  { kind: Type.Literal("ChannelLevelsSeen"), node: Node, incarnation: Incarnation, batch: Count },
  { ...closed, description: "node → node: noted; `incarnation` is that of the node that told" },
)
export const ChannelAsk = Type.Object(
  { kind: Type.Literal("ChannelAsk"), node: Node, incarnation: Incarnation },
  { ...closed, description: "node → node: I have a new life; how far are the channels? Repeated until answered" },
)
export const TaskInput = Type.Object(
  {
    kind: Type.Literal("TaskInput"),
    task: Name,
    port: Name,
    seq: Type.Integer({ minimum: 1, description: "+1 for each piece of the port" }),
    data: Type.String({ maxLength: 65_536, description: "as the task's engine has it" }),
  },
  { ...closed, description: "hypervisor → node: something from outside for a task, which may wake it; repeated until answered" },
)
export const TaskInputTaken = Type.Object(
  {
    kind: Type.Literal("TaskInputTaken"),
    task: Name,
    port: Name,
    seq: Count,
    node: Node,
    answer: Type.Enum(["taken", "again", "refused", "absent"], { description: "absent: the task does not lie here" }),
  },
  { ...closed, description: "node → hypervisor: what became of it" },
)
const SeatSpec = Type.Object(
  {
    seat: Type.String({ maxLength: 16, description: "prefix of its queues; empty: the machine's own" }),
    policy: Type.String({ maxLength: 32 }),
    layout: Type.Enum(["all", "cpu"]),
    cpus: Type.Union([Type.Array(Cpu, { minItems: 1, maxItems: 256 }), Type.Null()], { description: "null: all" }),
  },
  closed,
)
export const PolicySwap = Type.Object(
  {
    kind: Type.Literal("PolicySwap"),
    epoch: Type.Integer({ minimum: 1 }),
    policy: Type.String({ maxLength: 32 }),
    fallback: Type.Optional(Type.Literal(true, { description: "its schedulers are ejected: schedule by yourself" })),
    seats: Type.Optional(
      Type.Array(SeatSpec, { minItems: 1, maxItems: 4, description: "who schedules which CPUs; not given: the policy all of them" }),
    ),
  },
  { ...closed, description: "hypervisor → node: from now on this policy; repeated until seen" },
)
export const FallbackAsk = Type.Object(
  { kind: Type.Literal("FallbackAsk"), epoch: Type.Integer({ minimum: 1 }), node: Node, cpu: Cpu },
  { ...closed, description: "node → node: while nodes schedule by themselves, this CPU has nothing to run" },
)
export const FallbackOffer = Type.Object(
  {
    kind: Type.Literal("FallbackOffer"),
    epoch: Type.Integer({ minimum: 1 }),
    node: Node,
    task: Name,
    taskSeq: Count,
    sinceTick: Type.Integer({ minimum: -1 }),
    cpu: Cpu,
  },
  { ...closed, description: "node → node: while nodes schedule by themselves, your CPU may have this task; fetch it" },
)
export const PolicySwapped = Type.Object(
  { kind: Type.Literal("PolicySwapped"), epoch: Type.Integer({ minimum: 1 }), node: Node },
  { ...closed, description: "node → hypervisor: the policy of this epoch holds here" },
)
export const ScheduleAsk = Type.Object(
  { kind: Type.Literal("ScheduleAsk"), cpu: Cpu, from: Count, untilTick: Count },
  { ...closed, description: "hypervisor → node: what ran on this CPU, from this run length on; repeated until answered" },
)
export const SchedulePage = Type.Object(
  {
    kind: Type.Literal("SchedulePage"),
    node: Node,
    cpu: Cpu,
    from: Count,
    segments: Type.Array(Type.Tuple([Count, Count, Name, Count]), {
      maxItems: 4096,
      description: "first tick, tick after the last, task, tick since which the cache was warm (the end: never)",
    }),
    total: Count,
    busy: Count,
    warm: Count,
  },
  { ...closed, description: "node → hypervisor: what ran on the CPU, a page of run lengths and the sums so far" },
)

export type TaskSubmit = Static<typeof TaskSubmit>
export type TaskAccepted = Static<typeof TaskAccepted>
export type TaskRejected = Static<typeof TaskRejected>
export type TaskFinished = Static<typeof TaskFinished>
export type TaskFinishedSeen = Static<typeof TaskFinishedSeen>
export type TaskMoved = Static<typeof TaskMoved>
export type TaskRevoke = Static<typeof TaskRevoke>
export type TaskFetch = Static<typeof TaskFetch>
export type TaskState = Static<typeof TaskState>
export type TaskFetchRefusal = Static<typeof TaskFetchRefusal>
export type TaskReceived = Static<typeof TaskReceived>
export type HeldTask = Static<typeof HeldTask>
export type NodeReport = Static<typeof NodeReport>
export type ChannelLevels = Static<typeof ChannelLevels>
export type ChannelLevelsSeen = Static<typeof ChannelLevelsSeen>
export type ChannelAsk = Static<typeof ChannelAsk>
export type TaskInput = Static<typeof TaskInput>
export type TaskInputTaken = Static<typeof TaskInputTaken>
export type FallbackAsk = Static<typeof FallbackAsk>
export type FallbackOffer = Static<typeof FallbackOffer>
export type PolicySwap = Static<typeof PolicySwap>
export type PolicySwapped = Static<typeof PolicySwapped>
export type ScheduleAsk = Static<typeof ScheduleAsk>
export type SchedulePage = Static<typeof SchedulePage>

export const computeMessages = {
  TaskSubmit,
  TaskAccepted,
  TaskRejected,
  TaskFinished,
  TaskFinishedSeen,
  TaskMoved,
  TaskRevoke,
  TaskFetch,
  TaskState,
  TaskFetchRefusal,
  TaskReceived,
  NodeReport,
  ChannelLevels,
  ChannelLevelsSeen,
  ChannelAsk,
  TaskInput,
  TaskInputTaken,
  FallbackAsk,
  FallbackOffer,
  PolicySwap,
  PolicySwapped,
  ScheduleAsk,
  SchedulePage,
} as const
