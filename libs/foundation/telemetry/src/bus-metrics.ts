/** What a host counts about itself (foundation/runtime: bus-ledger, inboxes; by structure) as metrics: told before a scrape or every few seconds. */
import type { MetricStore } from "./metric-store.ts"

export interface BusCounts {
  readonly sent: number
  readonly received: number
  readonly frames: number
  readonly malformed: number
  readonly rejected: number
  readonly oversize: number
  readonly dropped: number
  readonly refused: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly reconnects: number
}

const REASONS = ["malformed", "rejected", "oversize", "dropped"] as const

export function recordBus(metrics: MetricStore, machine: string, counts: BusCounts): void {
  metrics.total("backplane_bus_messages_total", { machine, direction: "sent" }, counts.sent)
  metrics.total("backplane_bus_messages_total", { machine, direction: "received" }, counts.received)
  metrics.total("backplane_bus_bytes_total", { machine, direction: "sent" }, counts.bytesSent)
  metrics.total("backplane_bus_bytes_total", { machine, direction: "received" }, counts.bytesReceived)
  metrics.total("backplane_bus_reconnects_total", {}, counts.reconnects)
  metrics.total("backplane_bus_frames_total", { machine }, counts.frames)
  metrics.total("backplane_bus_violations_total", { machine }, counts.refused)
  for (const reason of REASONS) metrics.total("backplane_bus_rejections_total", { machine, reason }, counts[reason])
}

/** `actor` is a label: actors are as many as the machine has parts, not as many as messages. */
export function recordInbox(
  metrics: MetricStore,
  inbox: { readonly machine: string; readonly actor: string; readonly length: number },
): void {
  metrics.set("backplane_inbox_length", { machine: inbox.machine, actor: inbox.actor }, inbox.length)
}
