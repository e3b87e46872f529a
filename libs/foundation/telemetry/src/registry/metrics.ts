/** Every metric, in the form that Prometheus shows. Labels are few-valued: machines, nodes, CPUs, policies, words; never task ids. */
import type { MetricEntry } from "./kinds.ts"

/** Ticks, the unit that slices are given in: from none to very long. */
const TICK_BOUNDS = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000]

export const METRICS: Readonly<Record<string, MetricEntry>> = {
  // Schedule
  backplane_tasks: { type: "gauge", unit: "{task}", meaning: "tasks by state", labels: ["machine", "state"] },
  backplane_task_events_total: {
    type: "counter",
    unit: "{task}",
    meaning: "tasks that came, finished, were lost or restarted",
    labels: ["machine", "outcome"],
  },
  backplane_vm_events_total: {
    type: "counter",
    unit: "{vm}",
    meaning: "VMs that started, ended, were refused or lost",
    labels: ["machine", "outcome"],
  },
  backplane_dispatches_total: {
    type: "counter",
    unit: "{dispatch}",
    meaning: "tasks put on a CPU",
    labels: ["machine", "node", "cpu", "policy"],
  },
  backplane_preemptions_total: {
    type: "counter",
    unit: "{preemption}",
    meaning: "tasks taken off a CPU before they were done",
    labels: ["machine", "node", "cpu", "reason"],
  },
  backplane_cpu_watts: {
    type: "gauge",
    unit: "{watt}",
    meaning: "what a CPU draws, by the machine's table of power",
    labels: ["machine", "node", "cpu"],
  },
  backplane_idles_total: { type: "counter", unit: "{idle}", meaning: "times a CPU ran out of work", labels: ["machine", "node", "cpu"] },
  backplane_migrations_total: {
    type: "counter",
    unit: "{migration}",
    meaning: "tasks moved to another CPU; node is where they went",
    labels: ["machine", "node", "reason"],
  },
  backplane_steals_total: {
    type: "counter",
    unit: "{steal}",
    meaning: "steals asked, granted and refused, by the run queue that asked",
    labels: ["machine", "queue", "result"],
  },
  backplane_slices_total: { type: "counter", unit: "{slice}", meaning: "slices run", labels: ["machine", "node", "cpu"] },
  backplane_slice_ticks: {
    type: "histogram",
    unit: "{tick}",
    meaning: "length of a slice as run",
    labels: ["machine", "policy"],
    bounds: TICK_BOUNDS,
  },
  backplane_decision_wait_ticks: {
    type: "histogram",
    unit: "{tick}",
    meaning: "time that a CPU waited for its scheduler's decision",
    labels: ["machine", "policy"],
    bounds: TICK_BOUNDS,
  },
  backplane_run_queue_wait_ticks: {
    type: "histogram",
    unit: "{tick}",
    meaning: "time that a task stood in a run queue before it was dispatched",
    labels: ["machine", "policy"],
    bounds: TICK_BOUNDS,
  },
  backplane_run_queue_length: {
    type: "gauge",
    unit: "{task}",
    meaning: "tasks in the run queue of a CPU",
    labels: ["machine", "node", "cpu"],
  },
  backplane_cpu_busy_ticks_total: {
    type: "counter",
    unit: "{tick}",
    meaning: "ticks in which a CPU ran a task",
    labels: ["machine", "node", "cpu"],
  },
  backplane_cpu_warm_ticks_total: {
    type: "counter",
    unit: "{tick}",
    meaning: "busy ticks at the warm rate (the task's data was in this CPU's cache)",
    labels: ["machine", "node", "cpu"],
  },
  backplane_verdicts_refused_total: {
    type: "counter",
    unit: "{verdict}",
    meaning: "scheduler decisions that the node refused",
    labels: ["machine", "node", "verdict"],
  },
  backplane_scheduler_bypasses_total: {
    type: "counter",
    unit: "{bypass}",
    meaning: "times that a node chose by itself because its scheduler did not answer",
    labels: ["machine", "node", "cpu"],
  },
  backplane_scheduler_attachments_total: {
    type: "counter",
    unit: "{attachment}",
    meaning: "schedulers that took over a run queue",
    labels: ["machine", "node", "policy"],
  },
  backplane_policy_swaps_total: {
    type: "counter",
    unit: "{swap}",
    meaning: "schedulers exchanged while the machine ran",
    labels: ["machine", "policy"],
  },
  // Memory
  backplane_leases_total: {
    type: "counter",
    unit: "{lease}",
    meaning: "leases granted, refused and released",
    labels: ["machine", "node", "result"],
  },
  backplane_leased_frames_total: {
    type: "counter",
    unit: "{frame}",
    meaning: "frames granted and given back",
    labels: ["machine", "node", "result"],
  },
  backplane_frames: { type: "gauge", unit: "{frame}", meaning: "machine frames by state", labels: ["machine", "node", "state"] },
  // Traps
  backplane_exits_total: {
    type: "counter",
    unit: "{exit}",
    meaning: "exits of guests by cause and class",
    labels: ["machine", "node", "cause", "class"],
  },
  backplane_trap_ring_dropped_total: {
    type: "counter",
    unit: "{record}",
    meaning: "trap records overwritten before they were read",
    labels: ["machine", "node"],
  },
  // Actors and bus
  backplane_actor_restarts_total: {
    type: "counter",
    unit: "{restart}",
    meaning: "actors that came back after a kill",
    labels: ["machine", "kind"],
  },
  backplane_inbox_length: { type: "gauge", unit: "{message}", meaning: "messages waiting for an actor", labels: ["machine", "actor"] },
  backplane_bus_messages_total: {
    type: "counter",
    unit: "{message}",
    meaning: "messages on the bus, by direction (sent, received)",
    labels: ["machine", "direction"],
  },
  backplane_bus_bytes_total: { type: "counter", unit: "By", meaning: "bytes on the bus, by direction", labels: ["machine", "direction"] },
  backplane_bus_frames_total: { type: "counter", unit: "{frame}", meaning: "batches of messages on the bus", labels: ["machine"] },
  backplane_bus_rejections_total: {
    type: "counter",
    unit: "{message}",
    meaning: "messages that the bus did not carry or the codec refused: malformed, rejected, oversize, dropped",
    labels: ["machine", "reason"],
  },
  backplane_bus_reconnects_total: {
    type: "counter",
    unit: "{reconnect}",
    meaning: "times that the connection to the bus came back",
    labels: [],
  },
  backplane_bus_violations_total: {
    type: "counter",
    unit: "{violation}",
    meaning: "publishes or subscriptions that the bus's permissions refused",
    labels: ["machine"],
  },
  backplane_messages_rejected_total: {
    type: "counter",
    unit: "{message}",
    meaning: "messages that an actor or codec rejected with a reason",
    labels: ["machine", "reason"],
  },
  backplane_messages_dropped_total: {
    type: "counter",
    unit: "{message}",
    meaning: "messages dropped because a queue was full or nobody was there",
    labels: ["machine", "reason"],
  },
  // Telemetry about itself
  backplane_events_total: {
    type: "counter",
    unit: "{event}",
    meaning: "events that actors told, by registered name",
    labels: ["machine", "name"],
  },
  backplane_unregistered_names_total: {
    type: "counter",
    unit: "{name}",
    meaning: "spans and events whose name is not in the registry",
    labels: ["kind"],
  },
  backplane_spans_exported_total: { type: "counter", unit: "{span}", meaning: "spans handed to the exporter and accepted", labels: [] },
  backplane_spans_dropped_total: {
    type: "counter",
    unit: "{span}",
    meaning: "spans lost: queue full, export failed or closed",
    labels: ["reason"],
  },
  backplane_traces_unsampled_total: {
    type: "counter",
    unit: "{trace}",
    meaning: "traces begun here that the sampler left out, on purpose",
    labels: [],
  },
  backplane_collector_received_total: {
    type: "counter",
    unit: "{item}",
    meaning: "spans, points and log lines that the built-in collector took in",
    labels: ["signal"],
  },
  backplane_collector_dropped_total: {
    type: "counter",
    unit: "{item}",
    meaning: "what the built-in collector let go: evicted by its limits, or not forwarded",
    labels: ["signal", "reason"],
  },
  backplane_collector_kept: {
    type: "gauge",
    unit: "{item}",
    meaning: "spans, series and log lines in the built-in collector",
    labels: ["signal"],
  },
  backplane_collector_kept_bytes: {
    type: "gauge",
    unit: "By",
    meaning: "estimated size of the spans that the built-in collector keeps",
    labels: [],
  },
  backplane_collector_rejected_total: {
    type: "counter",
    unit: "{request}",
    meaning: "requests to the built-in collector that were refused",
    labels: ["reason"],
  },
  backplane_collector_forwarded_total: {
    type: "counter",
    unit: "{request}",
    meaning: "requests passed on to the real collector",
    labels: ["signal", "result"],
  },
}
