/** Events of tasks, CPUs and schedulers. */
import { count, countBy, WHERE, TASK, WHY } from "./event-parts.ts"
import type { EventEntry } from "./kinds.ts"

export const SCHEDULE_EVENTS: Readonly<Record<string, EventEntry>> = {
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
}
