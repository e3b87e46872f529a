/** Every event that a machine may emit, the fields it may carry and what it does to metrics. */
import type { EventEntry } from "./kinds.ts"
import { MEMORY_EVENTS } from "./memory-events.ts"
import { SCHEDULE_EVENTS } from "./schedule-events.ts"
import { SERVICE_EVENTS } from "./service-events.ts"
import { STORE_EVENTS } from "./store-events.ts"
import { VM_EVENTS } from "./vm-events.ts"

export const EVENTS: Readonly<Record<string, EventEntry>> = {
  ...SCHEDULE_EVENTS,
  ...MEMORY_EVENTS,
  ...VM_EVENTS,
  ...STORE_EVENTS,
  ...SERVICE_EVENTS,
}
