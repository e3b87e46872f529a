/** Events of processes, machines as a whole, the machine clock and the bus. */
import { count, countBy, WHERE, SERVICE, WHY } from "./event-parts.ts"
import type { EventEntry } from "./kinds.ts"

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

export const SERVICE_EVENTS: Readonly<Record<string, EventEntry>> = {
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
