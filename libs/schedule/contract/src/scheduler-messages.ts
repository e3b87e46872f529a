/**
 * The scheduler contract: what nodes tell schedulers and what schedulers decide.
 *
 * The node's dispatcher holds the truth; a scheduler holds claims. Events of one (node, queue) pair form a stream: numbered from 1
 * within a generation, repeated by the node until a commit has `seen` them. Every event message is answered by one commit, which
 * may hold no decision. Verdicts answer a commit with a refused decision (what was done shows in the events) and one that hands a
 * claim over (whose doing shows to the other scheduler only).
 */
import { Type, type Static } from "typebox"
import { CpuIndex, Cycles, NodeIndex, QueueName, Sequence, TaskName, TaskView } from "./task-view.ts"

const closed = { additionalProperties: false } as const
const Epoch = Type.Integer({ minimum: 1, description: "grows with each change of policy; messages of an older epoch are refused" })
const Generation = Type.Integer({
  minimum: 1,
  description: "of the stream: grows with each attach of the queue's schedulers, over all their lives",
})
const NodeIncarnation = Type.Integer({ minimum: 1, description: "life of the node; a new one has forgotten all" })

const TimerKey = Type.String({ minLength: 1, maxLength: 32 })
const VoidTaskSeq = Type.Integer({ minimum: 1, description: "claims on this state of the task and on older ones are void" })

const TopologyGeneration = Type.Integer({ minimum: 1, description: "grows with each CPU that goes or comes" })
const TunedState = Type.Enum(["waiting", "running", "blocked"], {
  description: "what the task does; of a waiting one this is the claim's new view, with the old number",
})

const RanTicks = Type.Integer({ minimum: 0, description: "since it was put on" })

export const SchedulerEvent = Type.Union([
  Type.Object(
    {
      type: Type.Literal("TASK_NEW"),
      task: TaskView,
      reason: Type.Enum(["new", "steal", "snapshot", "moved"], {
        description:
          "created; handed over by another queue; told again after attach; given by the node, because its queue has no CPU for it",
      }),
      stealId: Type.Optional(Type.String({ maxLength: 96 })),
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("TASK_PREEMPTED"),
      task: TaskView,
      cpu: CpuIndex,
      reason: Type.Enum(["slice", "preempt", "kick", "refused-move"]),
      ranTicks: RanTicks,
    },
    closed,
  ),
  Type.Object(
    {
      type: Type.Literal("TASK_YIELD"),
      task: TaskView,
      cpu: CpuIndex,
      ranTicks: RanTicks,
      to: Type.Optional(
        Type.String({ minLength: 1, maxLength: 64, description: "hint: the task that should run rather, such as the holder of a lock" }),
      ),
    },
    { ...closed, description: "the task gave way: it waits again" },
  ),
  Type.Object(
    { type: Type.Literal("TASK_BLOCKED"), task: TaskName, taskSeq: VoidTaskSeq, cpu: CpuIndex, ranTicks: RanTicks },
    { ...closed, description: "the task left the CPU and cannot go on before TASK_WAKEUP" },
  ),
  Type.Object(
    {
      type: Type.Literal("TASK_WAKEUP"),
      task: TaskView,
      sleptTicks: Type.Integer({ minimum: 0 }),
      idleCpus: Type.Array(CpuIndex, { maxItems: 256, description: "of this node, at that moment, where it may run" }),
    },
    { ...closed, description: "the task waits again" },
  ),
  Type.Object({ type: Type.Literal("TASK_DEAD"), task: TaskName, taskSeq: VoidTaskSeq, cpu: CpuIndex }, closed),
  Type.Object({ type: Type.Literal("TASK_GONE"), task: TaskName, taskSeq: VoidTaskSeq, reason: Type.Enum(["moved", "lost"]) }, closed),
  Type.Object(
    {
      type: Type.Literal("CPU_IDLE"),
      cpu: CpuIndex,
      idleSeq: Type.Integer({ minimum: 1, description: "counts the idle periods of the CPU; stated again while it lasts" }),
      hot: Type.Optional(
        Type.Array(TaskName, { maxItems: 64, description: "tasks that wait here in this queue and whose working sets are in its cache" }),
      ),
      space: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "address space of what ran there last" })),
    },
    closed,
  ),
  Type.Object({ type: Type.Literal("CPU_RUNNING"), cpu: CpuIndex, task: TaskName, taskSeq: VoidTaskSeq }, closed),
  Type.Object(
    { type: Type.Literal("CPU_OFFLINE"), cpu: CpuIndex, topology: TopologyGeneration },
    { ...closed, description: "the CPU has gone: what was decided for it comes to nothing. What ran there was told of before" },
  ),
  Type.Object(
    { type: Type.Literal("CPU_ONLINE"), cpu: CpuIndex, topology: TopologyGeneration },
    { ...closed, description: "the CPU is back; CPU_IDLE follows" },
  ),
  Type.Object({ type: Type.Literal("TASK_AFFINITY"), task: TaskView, state: TunedState }, closed),
  Type.Object({ type: Type.Literal("TASK_WEIGHT"), task: TaskView, state: TunedState }, closed),
  Type.Object(
    { type: Type.Literal("CPU_TICK"), cpu: CpuIndex, task: TaskName, taskSeq: Type.Integer({ minimum: 1 }), ranTicks: RanTicks },
    { ...closed, description: "a slice's worth of time has passed (of the machine's), and the task still runs; to those that ask for it" },
  ),
  Type.Object(
    { type: Type.Literal("TASK_HINT"), task: TaskView, state: TunedState },
    { ...closed, description: "what is known of the task beside what it may and is due has changed: whom it shares pages with" },
  ),
  Type.Object(
    {
      type: Type.Literal("CACHE_REPORT"),
      cpu: CpuIndex,
      hot: Type.Array(TaskName, { maxItems: 64, description: "waiting tasks of this queue whose working sets are in its cache" }),
    },
    { ...closed, description: "once a slice of the machine, of each CPU that runs something; to those that ask for it" },
  ),
  Type.Object(
    {
      type: Type.Literal("POWER"),
      cpu: CpuIndex,
      watts: Type.Number({ minimum: 0 }),
      speed: Type.Integer({ minimum: 0, maximum: 31, description: "row of the CPU's table of speeds" }),
      depth: Type.Integer({ minimum: 0, maximum: 15, description: "row of its table of idle states, while it is idle" }),
    },
    { ...closed, description: "the CPU draws this from now on; to those that ask for it" },
  ),
  Type.Object({ type: Type.Literal("TIMER"), key: TimerKey }, { ...closed, description: "the time of a TIMER decision has come" }),
  Type.Object({ type: Type.Literal("SYNC") }, { ...closed, description: "the snapshot is complete" }),
])
export type SchedulerEvent = Static<typeof SchedulerEvent>

export const SchedulerAttach = Type.Object(
  {
    kind: Type.Literal("SchedulerAttach"),
    epoch: Epoch,
    queue: QueueName,
    generation: Generation,
    contract: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2,
        description: "which contract it knows; not given: 1. In 2 there are the verdicts CPU_OFFLINE, ALREADY_ON_CPU and DUPLICATE",
      }),
    ),
    wants: Type.Optional(
      Type.Array(Type.Enum(["CPU_TICK", "CACHE_REPORT", "POWER"]), { maxItems: 8, description: "events that are told on request only" }),
    ),
  },
  { ...closed, description: "scheduler → node: I hold this queue now; send me a snapshot. Repeated until the snapshot comes." },
)
export const SchedulerEvents = Type.Object(
  {
    kind: Type.Literal("SchedulerEvents"),
    epoch: Epoch,
    queue: QueueName,
    generation: Generation,
    node: NodeIndex,
    incarnation: NodeIncarnation,
    at: Cycles,
    seq: Type.Integer({ minimum: 1, description: "+1 a message; a gap means that one is on its way again" }),
    events: Type.Array(SchedulerEvent, { maxItems: 4096 }),
  },
  { ...closed, description: "node → scheduler: what happened, in order" },
)
export const Decision = Type.Union([
  Type.Object(
    {
      type: Type.Literal("RUN"),
      cpu: CpuIndex,
      task: TaskName,
      taskSeq: Sequence,
      at: NodeIndex,
      until: Cycles,
      idleSeq: Type.Integer({ minimum: 1, description: "the idle period of the CPU that this answers; of a preemption: the last one" }),
      preempt: Type.Optional(Type.Literal(true, { description: "also where the CPU runs a task: that one waits again" })),
      group: Type.Optional(
        Type.Integer({
          minimum: 1,
          description: "GANG: the RUNs of a commit with one number are done all or none; their tasks lie on this node",
        }),
      ),
      next: Type.Optional(
        Type.Literal(true, {
          description:
            "pre-fetched: the CPU runs another, and this is what it takes when that leaves, if all still holds (then it says CPU_RUNNING); `until` is the length of the slice in cycles. Void when the CPU is idle, and with the next such choice",
        }),
      ),
      speed: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 31, description: "POWER: row of the CPU's table of speeds; not given: 0, the fastest" }),
      ),
    },
    { ...closed, description: "run the task, which lies on node `at`, on the CPU until virtual time `until`" },
  ),
  Type.Object(
    { type: Type.Literal("REQUEUE"), task: TaskName, taskSeq: Sequence, to: QueueName, stealId: Type.String({ maxLength: 96 }) },
    { ...closed, description: "hand the claim on a waiting task to another queue" },
  ),
  Type.Object(
    { type: Type.Literal("KICK"), cpu: CpuIndex, task: TaskName },
    { ...closed, description: "take the task off the CPU where it runs: it waits again, and the CPU is idle" },
  ),
  Type.Object(
    {
      type: Type.Literal("IDLE"),
      cpu: CpuIndex,
      idleSeq: Type.Integer({ minimum: 1, description: "the idle period that this is about" }),
      depth: Type.Integer({ minimum: 0, maximum: 15, description: "row of the CPU's table of idle states; 0: the shallowest" }),
    },
    { ...closed, description: "the idle CPU may sleep so deep until it is given a task" },
  ),
  Type.Object(
    { type: Type.Literal("KEEP"), cpu: CpuIndex, task: TaskName, taskSeq: Sequence, until: Cycles },
    { ...closed, description: "the task that runs there goes on until then; `taskSeq` is that of its claim" },
  ),
  Type.Object(
    { type: Type.Literal("TIMER"), key: TimerKey, at: Cycles },
    { ...closed, description: "tell me at that time; the same key again: only the later one" },
  ),
  Type.Object(
    { type: Type.Literal("EXIT"), message: Type.String({ maxLength: 200 }) },
    { ...closed, description: "I cannot go on: take my claims" },
  ),
])
export type Decision = Static<typeof Decision>

export const SchedulerCommit = Type.Object(
  {
    kind: Type.Literal("SchedulerCommit"),
    epoch: Epoch,
    queue: QueueName,
    generation: Generation,
    incarnation: NodeIncarnation,
    commit: Type.Integer({ minimum: 1, description: "+1 per node within the generation; a repeat gets the stored answer" }),
    seen: Type.Integer({ minimum: 0, description: "highest event message handled without a gap" }),
    decisions: Type.Array(Decision, { maxItems: 4096 }),
  },
  { ...closed, description: "scheduler → node: decisions, and what has been seen" },
)
export const VERDICTS = [
  "OK",
  "STALE_TASK",
  "STALE_EPOCH",
  "NOT_RUNNABLE",
  "NOT_OWNED",
  "CPU_BUSY",
  "AFFINITY",
  "BAD_SLICE",
  "UNKNOWN_TASK",
  "GROUP_ABORTED",
  "UNSUPPORTED",
  "RATE_LIMITED",
  "CPU_OFFLINE",
  "ALREADY_ON_CPU",
  "DUPLICATE",
] as const
export type Verdict = (typeof VERDICTS)[number]
export const SchedulerVerdicts = Type.Object(
  {
    kind: Type.Literal("SchedulerVerdicts"),
    epoch: Epoch,
    queue: QueueName,
    generation: Generation,
    commit: Sequence,
    node: NodeIndex,
    verdicts: Type.Array(Type.Enum([...VERDICTS]), { maxItems: 4096 }),
    at: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "when, as in SchedulerEvents: who goes by that time alone would otherwise give a slice that was over again and again",
      }),
    ),
  },
  { ...closed, description: "node → scheduler: the answers to a commit of which a decision was refused, or that hands a claim over" },
)
export const NodeUp = Type.Object(
  {
    kind: Type.Literal("NodeUp"),
    epoch: Epoch,
    node: NodeIndex,
    incarnation: NodeIncarnation,
    policy: Type.String({ maxLength: 32 }),
    fallback: Type.Optional(Type.Literal(true, { description: "no scheduler is wanted: the nodes schedule by themselves" })),
    seat: Type.Optional(
      Type.String({ maxLength: 16, description: "whose queues this is about, `<seat>-all` or `<seat>-cpu-<n>`; not given: all, cpu-<n>" }),
    ),
    layout: Type.Optional(Type.Enum(["all", "cpu"], { description: "of a policy that is a service's: one queue, or one a CPU" })),
    cpus: Type.Optional(Type.Array(CpuIndex, { maxItems: 256, description: "CPUs of the seat; not given: all" })),
  },
  { ...closed, description: "node → scheduler: this is the policy now; attach if you hold one of its queues. Repeated until attached." },
)

export type SchedulerAttach = Static<typeof SchedulerAttach>
export type SchedulerEvents = Static<typeof SchedulerEvents>
export type SchedulerCommit = Static<typeof SchedulerCommit>
export type SchedulerVerdicts = Static<typeof SchedulerVerdicts>
export type NodeUp = Static<typeof NodeUp>
