/** Every event that a machine may emit, the fields it may carry and what it does to metrics. */
import type { EventEntry, MetricAction } from "./kinds.ts"

function count(metric: string, fixed?: Readonly<Record<string, string>>): MetricAction {
  return fixed === undefined ? { metric, op: "count" } : { metric, op: "count", fixed }
}

function countBy(metric: string, field: string, fixed?: Readonly<Record<string, string>>): MetricAction {
  return fixed === undefined ? { metric, op: "count", field } : { metric, op: "count", field, fixed }
}

const WHERE = { node: "NUMA node", cpu: "CPU", queue: "run queue by name" } as const
const TASK = { task: "task" } as const
const VM = { vm: "virtual machine" } as const
const SERVICE = { service: "kind of service", instance: "name of the process" } as const
const WHY = { reason: "why, in one small word" } as const

/** Told at most some dozens of times a second, so they count nothing: the bus's own counts go to metrics by bus-metrics.ts. */
const BUS_PROBLEMS: Readonly<Record<string, EventEntry>> = Object.fromEntries(
  ["malformed", "rejected", "oversize", "dropped", "refused"].map((problem) => [
    `bus.${problem}`,
    {
      meaning: `a bus message was ${problem}`,
      fields: { from: "sender", to: "receiver", field: "field that is wrong", reason: "why", count: "how many so far" },
      metrics: [],
    },
  ]),
)

export const EVENTS: Readonly<Record<string, EventEntry>> = {
  dispatch: {
    meaning: "a task was put on a CPU",
    fields: {
      ...WHERE,
      ...TASK,
      policy: "policy that chose",
      length: "tasks left in the run queue",
      wait: "ticks the CPU waited for the decision",
      queued: "ticks the task stood in the run queue",
      waking: "ticks the CPU takes to wake before it does any work",
    },
    metrics: [
      count("backplane_dispatches_total"),
      { metric: "backplane_run_queue_length", op: "set", field: "length" },
      { metric: "backplane_decision_wait_ticks", op: "observe", field: "wait" },
      { metric: "backplane_run_queue_wait_ticks", op: "observe", field: "queued" },
    ],
  },
  slice: {
    meaning: "a slice ended, for whatever reason",
    fields: { ...WHERE, ...TASK, policy: "policy", ran: "ticks run", warm: "of them at the warm rate" },
    metrics: [
      count("backplane_slices_total"),
      { metric: "backplane_slice_ticks", op: "observe", field: "ran" },
      countBy("backplane_cpu_busy_ticks_total", "ran"),
      countBy("backplane_cpu_warm_ticks_total", "warm"),
    ],
  },
  preempt: {
    meaning: "a task was taken off a CPU before it was done",
    fields: { ...WHERE, ...TASK, ...WHY },
    metrics: [count("backplane_preemptions_total")],
  },
  power: {
    meaning: "a CPU draws another power from now on",
    fields: { ...WHERE, watts: "by the machine's table" },
    metrics: [{ metric: "backplane_cpu_watts", op: "set", field: "watts" }],
  },
  idle: { meaning: "a CPU ran out of work", fields: { ...WHERE }, metrics: [count("backplane_idles_total")] },
  migrate: {
    meaning: "a task moved to another CPU",
    fields: { ...TASK, from: "old CPU", to: "new CPU", node: "new node", ...WHY },
    metrics: [count("backplane_migrations_total")],
  },
  "steal-asked": {
    meaning: "a CPU asked another for work",
    fields: { ...WHERE, from: "CPU that was asked" },
    metrics: [count("backplane_steals_total", { result: "asked" })],
  },
  "steal-granted": {
    meaning: "the asked scheduler gave a task",
    fields: { ...WHERE, ...TASK, from: "CPU that gave" },
    metrics: [count("backplane_steals_total", { result: "granted" })],
  },
  "steal-refused": {
    meaning: "the asked scheduler had nothing to give",
    fields: { ...WHERE, from: "CPU that refused", ...WHY },
    metrics: [count("backplane_steals_total", { result: "refused" })],
  },
  "steal-round": { meaning: "a round of stealing went through all schedulers", fields: { ...WHERE, epoch: "its epoch" }, metrics: [] },
  tasks: {
    meaning: "how many tasks are in a state, told as a level",
    fields: { node: "node", state: "leasing, waiting, running, blocked", count: "how many" },
    metrics: [{ metric: "backplane_tasks", op: "set", field: "count" }],
  },
  "task-new": {
    meaning: "a task entered the machine",
    fields: { ...TASK, ...WHERE },
    metrics: [count("backplane_task_events_total", { outcome: "new" })],
  },
  "task-blocked": {
    meaning: "a task left its CPU because it cannot go on before it is woken",
    fields: { ...TASK, ...WHERE },
    metrics: [count("backplane_task_events_total", { outcome: "blocked" })],
  },
  "task-woken": {
    meaning: "a blocked task waits for a CPU again",
    fields: { ...TASK, ...WHERE, queue: "run queue" },
    metrics: [count("backplane_task_events_total", { outcome: "woken" })],
  },
  "task-finished": {
    meaning: "a task ended",
    fields: { ...TASK, ...WHERE },
    metrics: [count("backplane_task_events_total", { outcome: "finished" })],
  },
  "task-lost": {
    meaning: "a task was lost with its CPU or scheduler",
    fields: { ...TASK, ...WHERE, ...WHY },
    metrics: [count("backplane_task_events_total", { outcome: "lost" })],
  },
  "task-restarted": {
    meaning: "a lost task started again",
    fields: { ...TASK, ...WHERE, ...WHY },
    metrics: [count("backplane_task_events_total", { outcome: "restarted" })],
  },
  "lease-granted": {
    meaning: "the memory controller granted frames",
    fields: { ...TASK, node: "home node", frames: "how many", holder: "who holds them" },
    metrics: [
      count("backplane_leases_total", { result: "granted" }),
      countBy("backplane_leased_frames_total", "frames", { result: "granted" }),
    ],
  },
  "lease-refused": {
    meaning: "the memory controller refused frames",
    fields: { ...TASK, node: "home node", frames: "how many", holder: "who asked", ...WHY },
    metrics: [count("backplane_leases_total", { result: "refused" })],
  },
  "lease-released": {
    meaning: "frames were given back",
    fields: { ...TASK, node: "home node", frames: "how many", holder: "who held them" },
    metrics: [
      count("backplane_leases_total", { result: "released" }),
      countBy("backplane_leased_frames_total", "frames", { result: "released" }),
    ],
  },
  "leases-reported": {
    meaning: "a node told a restarted memory controller which leases it holds",
    fields: { node: "node", frames: "how many in all" },
    metrics: [],
  },
  "pages-reported": {
    meaning: "a node told a home in a new life which shared pages it holds and stores",
    fields: { node: "node", count: "how many" },
    metrics: [],
  },
  "page-message-refused": {
    meaning: "a message about a page that no correct run shows was refused and changed nothing",
    fields: { kind: "which message", actor: "who said it", space: "whose memory", page: "page", reason: "why" },
    metrics: [count("backplane_page_messages_refused_total")],
  },
  "page-refused": {
    meaning: "a node does not get a page: its only bytes died with a node, or memory is out",
    fields: { node: "node that asked", space: "whose memory", page: "page", reason: "why" },
    metrics: [count("backplane_pages_refused_total")],
  },
  "space-opened": {
    meaning: "a node has part in a memory that nodes share",
    fields: { node: "node", space: "whose memory", count: "harts that run there" },
    metrics: [],
  },
  "space-hurt": {
    meaning: "a node died with state of this memory: it ran there, or pages had their only bytes there",
    fields: { node: "node that died", space: "whose memory", count: "pages that are lost" },
    metrics: [countBy("backplane_pages_lost_total", "count")],
  },
  "page-migrated": {
    meaning: "the frame of a page came to lie on another node",
    fields: { node: "node where it lies now", space: "whose memory", page: "page" },
    metrics: [count("backplane_page_migrations_total")],
  },
  "page-stored": {
    meaning: "a page went from a node to the page store",
    fields: { node: "node that it left", space: "whose memory", page: "page", reason: "swapped, shared or given (back by its guest)" },
    metrics: [count("backplane_pages_stored_total")],
  },
  "page-brought-in": {
    meaning: "a page came from the page store to a node",
    fields: { node: "node where it lies now", space: "whose memory", page: "page" },
    metrics: [count("backplane_pages_brought_in_total")],
  },
  "pages-written-in-turn": {
    meaning: "several nodes write one page in turn: the vCPUs that do had better run on one node",
    fields: { nodes: "nodes, apart by spaces", space: "whose memory", page: "page" },
    metrics: [],
  },
  "pages-followed": {
    meaning: "a task moved to another node, and the pages that were its own were sent along",
    fields: { node: "node that they go to", space: "whose memory", count: "how many" },
    metrics: [],
  },
  frames: {
    meaning: "how many frames are in a state, told as a level",
    fields: { node: "home node", state: "free, leased …", count: "how many" },
    metrics: [{ metric: "backplane_frames", op: "set", field: "count" }],
  },
  "verdict-refused": {
    meaning: "a node refused its scheduler's decision",
    fields: { ...WHERE, ...TASK, ...WHY, verdict: "the refusal in one word" },
    metrics: [count("backplane_verdicts_refused_total")],
  },
  "scheduler-fault": {
    meaning: "a node tells of a scheduler that does not do its part",
    fields: { ...WHERE, queue: "run queue", ...WHY },
    metrics: [],
  },
  "scheduler-ejected": {
    meaning: "a policy's schedulers were ejected: their claims go to the policy before, or to the nodes' built-in round robin",
    fields: { ...WHY, policy: "the policy", queue: "run queue" },
    metrics: [count("backplane_scheduler_ejections_total")],
  },
  "scheduler-back": {
    meaning: "an ejected policy schedules again",
    fields: { policy: "the policy", epoch: "of the take-over" },
    metrics: [],
  },
  "fallback-begun": {
    meaning: "a node schedules by itself from now on",
    fields: { ...WHERE, epoch: "of the take-over" },
    metrics: [],
  },
  "scheduler-bypassed": {
    meaning: "a node chose by itself because its scheduler did not answer",
    fields: { ...WHERE, ...TASK, ...WHY },
    metrics: [count("backplane_scheduler_bypasses_total")],
  },
  "scheduler-attached": {
    meaning: "a scheduler took over a CPU",
    fields: { ...WHERE, policy: "its policy", epoch: "its epoch" },
    metrics: [count("backplane_scheduler_attachments_total")],
  },
  "policy-swapped": {
    meaning: "a scheduler was exchanged while the machine ran",
    fields: { ...WHERE, policy: "new policy", from: "old policy", epoch: "new epoch" },
    metrics: [count("backplane_policy_swaps_total")],
  },
  "shadow-begun": {
    meaning: "a candidate hears all and decides nothing from now on",
    fields: { policy: "the candidate", epoch: "of the shadow" },
    metrics: [],
  },
  "shadow-ended": { meaning: "a node tells the shadow nothing any more", fields: { ...WHERE, epoch: "of the end" }, metrics: [] },
  "shadow-judged": {
    meaning: "the time of a shadow is over: it may take over, or why not",
    fields: { policy: "the candidate", epoch: "of the shadow", ...WHY },
    metrics: [],
  },
  "cpu-gone": { meaning: "somebody took a CPU off line", fields: { ...WHERE }, metrics: [] },
  "cpu-back": { meaning: "somebody brought a CPU back", fields: { ...WHERE }, metrics: [] },
  "cpu-offline": { meaning: "a CPU runs nothing any more", fields: { ...WHERE }, metrics: [] },
  "cpu-online": { meaning: "a CPU asks for work again", fields: { ...WHERE }, metrics: [] },
  "task-spilled": { meaning: "an idle CPU took a waiting task of another set of CPUs", fields: { ...WHERE, ...TASK }, metrics: [] },
  "task-tuned": { meaning: "a task has another affinity or weight", fields: { ...WHERE, ...TASK }, metrics: [] },
  "action-refused": { meaning: "what a scenario asks for cannot be done", fields: { ...WHY }, metrics: [] },
  "scheduler-service": {
    meaning: "a scheduler service has attached with its manifest",
    fields: { policy: "its name", reason: "its process" },
    metrics: [],
  },
  "actor-restarted": {
    meaning: "an actor came back after a kill",
    fields: { kind: "kind of actor", epoch: "its epoch", ...WHY },
    metrics: [count("backplane_actor_restarts_total")],
  },
  "machine-done": { meaning: "all tasks of a machine are done and its result is known", fields: { machine: "name", ...WHY }, metrics: [] },
  "machine-failed": { meaning: "a machine cannot go on", fields: { machine: "name", ...WHY }, metrics: [] },
  "node-lost": {
    meaning: "a node is gone, and with it the tasks it held",
    fields: { node: "NUMA node", tasks: "names of the tasks", ...WHY },
    metrics: [],
  },
  "vm-exits": {
    meaning: "exits of a VM of one cause, since they were told last",
    fields: { ...VM, cause: "cause", class: "R in the node, B over the bus, A beside the path", count: "how many" },
    metrics: [countBy("backplane_vm_exits_total", "count")],
  },
  "vm-memory": {
    meaning:
      "frames of a node that its VMs lie in, as a level: what equal pages that share a frame save, how often one was written since it was told last, and pages in the swap store",
    fields: {
      node: "NUMA node",
      pages: "that share a frame with equal ones",
      saved: "frames that this saves",
      count: "written since",
      swapped: "that lie in the swap store",
      ins: "that came in from there since",
    },
    metrics: [
      { metric: "backplane_vm_frames_saved", op: "set", field: "saved" },
      countBy("backplane_vm_pages_unshared_total", "count"),
      { metric: "backplane_vm_pages_swapped", op: "set", field: "swapped" },
      countBy("backplane_vm_swap_ins_total", "ins"),
    ],
  },
  "vm-started": {
    meaning: "a VM lies on a node and its vCPUs begin",
    fields: { ...VM, node: "NUMA node" },
    metrics: [count("backplane_vm_events_total", { outcome: "started" })],
  },
  "vm-ended": {
    meaning: "the guest of a VM ended its machine",
    fields: { ...VM, ...WHY },
    metrics: [count("backplane_vm_events_total", { outcome: "ended" })],
  },
  "vm-refused": {
    meaning: "no node could take a VM",
    fields: { ...VM, ...WHY },
    metrics: [count("backplane_vm_events_total", { outcome: "refused" })],
  },
  "vm-lost": {
    meaning: "a VM was lost with its node",
    fields: { ...VM, ...WHY },
    metrics: [count("backplane_vm_events_total", { outcome: "lost" })],
  },
  "vm-moved": {
    meaning: "a VM goes on on another node",
    fields: {
      ...VM,
      from: "node that it left",
      to: "node where it is",
      pages: "of memory that were sent",
      bytes: "of memory and disk",
      downtime: "virtual cycles in which it stood still",
    },
    metrics: [count("backplane_vm_events_total", { outcome: "moved" })],
  },
  "vm-move-off": {
    meaning: "a move of a VM was given up: it goes on where it was, or has ended or been lost there",
    fields: { ...VM, to: "node that it was to go to", ...WHY },
    metrics: [count("backplane_vm_events_total", { outcome: "stayed" })],
  },
  "clock.joined": {
    meaning: "a process joined the lock-step clock",
    fields: { port: "member", actors: "how many actors it hosts" },
    metrics: [],
  },
  "clock.left": { meaning: "a process left the lock-step clock", fields: { port: "member" }, metrics: [] },
  "clock.member-lost": {
    meaning: "a member of the lock-step clock fell silent",
    fields: { port: "member", incarnation: "its incarnation", why: "how it was noticed", through: "time up to which it had answered" },
    metrics: [],
  },
  "clock.actor-twice": { meaning: "two members host one actor; the newer keeps it", fields: { port: "member that loses it" }, metrics: [] },
  "clock.roster": {
    meaning: "the clock told its members who hosts what",
    fields: { version: "of the roster", ports: "members", time: "virtual time from which it holds" },
    metrics: [],
  },
  "clock.idle": {
    meaning: "nobody has anything to do before the next external input",
    fields: { time: "virtual time", grants: "grants so far" },
    metrics: [],
  },
  "host.inbox-full": {
    meaning: "an actor's inbox was full and messages were dropped; told at the first, second, fourth, eighth …",
    fields: { from: "sender", body: "kind of message", dropped: "so far", more: "since it was told last", limit: "of the inbox" },
    metrics: [countBy("backplane_messages_dropped_total", "more", { reason: "inbox-full" })],
  },
  "host.fatal": {
    meaning: "an assertion failed in an actor; its process stops",
    fields: { error: "name of the error", message: "the assertion", stack: "where" },
    metrics: [],
  },
  "service.started": { meaning: "a process is on the bus", fields: { ...SERVICE, pid: "its process id" }, metrics: [] },
  "service.stopping": { meaning: "a process ends in good order", fields: { ...SERVICE, ...WHY }, metrics: [] },
  "service.control-error": {
    meaning: "the bus refused the control requests of a process",
    fields: { message: "what it says" },
    metrics: [],
  },
  "service.control-refused": {
    meaning: "a process refused a control request",
    fields: { instance: SERVICE.instance, field: "field that is wrong", ...WHY },
    metrics: [],
  },
  "machine-created": { meaning: "a machine was made", fields: { machine: "its name", policy: "its policy" }, metrics: [] },
  "machine-refused": { meaning: "the machine of the stack's start was refused", fields: { machine: "its name", ...WHY }, metrics: [] },
  "machine-destroyed": { meaning: "a machine was ended", fields: { machine: "its name" }, metrics: [] },
  "machine-leftover": {
    meaning: "what an ended machine had kept could not be cleared away",
    fields: { machine: "its name", ...WHY },
    metrics: [],
  },
  "host-refused": { meaning: "a process would not take an actor; it is asked again", fields: { machine: "its name", ...WHY }, metrics: [] },
  "kv.state": {
    meaning: "what a replica of the store knows of itself, told with each round of certificates",
    fields: {
      shard: "the replica",
      keys: "keys it holds",
      hints: "states it keeps for others that are away",
      unsure: "partitions of which its disk lost something, not yet repaired",
      moving: "partitions that are moved at the moment",
      certified: "seconds since the oldest certificate of a partition that it certifies; absent where one has none",
      apart: "reads so far that found replicas apart",
      reads: "reads so far",
      epoch: "of the configuration",
    },
    metrics: [
      { metric: "backplane_kv_keys", op: "set", field: "keys" },
      { metric: "backplane_kv_hints", op: "set", field: "hints" },
      { metric: "backplane_kv_unsure_partitions", op: "set", field: "unsure" },
      { metric: "backplane_kv_moving_partitions", op: "set", field: "moving" },
      { metric: "backplane_kv_certificate_age_seconds", op: "set", field: "certified" },
      { metric: "backplane_kv_reads", op: "set", field: "reads" },
      { metric: "backplane_kv_reads_apart", op: "set", field: "apart" },
      { metric: "backplane_kv_epoch", op: "set", field: "epoch" },
    ],
  },
  "kv.damaged": {
    meaning: "a replica began with a log of which something could not be read: it serves nothing of it, and has it from the others",
    fields: { shard: "the replica", count: "places in the log", reason: "what they are" },
    metrics: [],
  },
  "kv.mended": {
    meaning: "what a damaged log had lost is there again, from the other replicas",
    fields: { shard: "the replica" },
    metrics: [],
  },
  "kv.moved": {
    meaning: "a partition was copied to the replica that will hold it",
    fields: { shard: "the replica", partition: "which", keys: "keys that were copied" },
    metrics: [countBy("backplane_kv_keys_moved_total", "keys")],
  },
  "bus.linked": { meaning: "two actors talk over a socket of their own from now on", fields: { from: "here", to: "there" }, metrics: [] },
  "bus.unlinked": { meaning: "their link broke, they talk over the bus", fields: { from: "here", to: "there" }, metrics: [] },
  "bus.disconnected": {
    meaning: "a process lost its connection to the bus; it tries again for ever",
    fields: { detail: "server" },
    metrics: [],
  },
  "bus.reconnected": { meaning: "a process has its connection to the bus again", fields: { detail: "server" }, metrics: [] },
  "bus.error": { meaning: "something on the bus failed", fields: { detail: "what, and why" }, metrics: [] },
  ...BUS_PROBLEMS,
  "stream-closed": {
    meaning: "a stream of messages to a peer was given up; what it held is told again or lost by name",
    fields: { ...WHERE, ...WHY, to: "peer", dropped: "messages it still held", kind: "kind of stream" },
    metrics: [],
  },
  "setting-ignored": {
    meaning: "a setting could not be read; its default is used",
    fields: { setting: "name", warning: "what is wrong", remedy: "what it can be" },
    metrics: [],
  },
  "telemetry-not-started": { meaning: "the exporters could not be loaded; spans are counted as dropped", fields: { ...WHY }, metrics: [] },
  "message-rejected": {
    meaning: "a message was rejected",
    fields: { from: "sender", kind: "kind of message", ...WHY },
    metrics: [count("backplane_messages_rejected_total")],
  },
  "message-dropped": {
    meaning: "a message was dropped",
    fields: { to: "receiver", kind: "kind of message", ...WHY },
    metrics: [count("backplane_messages_dropped_total")],
  },
}
