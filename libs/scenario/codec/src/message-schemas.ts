/** Every message that crosses the bus, by kind: the one list from which validation and the catalogue are made. */
import { machineMessages } from "@backplane/compute-contract/machine-messages"
import { computeMessages } from "@backplane/compute-contract/task-messages"
import { coherenceMessages } from "@backplane/memory-contract/coherence-messages"
import { kvMessages } from "@backplane/kv-contract/kv-messages"
import { memoryMessages } from "@backplane/memory-contract/memory-messages"
import { memoryOperatorMessages } from "@backplane/memory-contract/memory-operator-messages"
import { scheduleMessages } from "@backplane/schedule-contract/schedule-messages"
import { diskMessages } from "@backplane/trap-contract/disk-messages"
import { trapMessages } from "@backplane/trap-contract/operator-messages"
import { vmExitMessages } from "@backplane/trap-contract/vm-exit-messages"
import { vmMessages } from "@backplane/trap-contract/vm-messages"
import { vmMoveMessages } from "@backplane/trap-contract/vm-move-messages"
import { vmOperatorMessages } from "@backplane/trap-contract/vm-operator-messages"
import { vmSpanMessages } from "@backplane/trap-contract/vm-span-messages"
import type { TSchema } from "typebox"

export interface MessageEntry {
  readonly kind: string
  /** The subsystem whose contract defines it. */
  readonly subsystem: "compute" | "schedule" | "memory" | "trap" | "kv"
  readonly schema: TSchema
}

function entries(subsystem: MessageEntry["subsystem"], schemas: Readonly<Record<string, TSchema>>): MessageEntry[] {
  return Object.entries(schemas).map(([kind, schema]) => ({ kind, subsystem, schema }))
}

export const MESSAGES: readonly MessageEntry[] = [
  ...entries("compute", { ...computeMessages, ...machineMessages }),
  ...entries("schedule", scheduleMessages),
  ...entries("memory", memoryMessages),
  ...entries("memory", { ...coherenceMessages, ...memoryOperatorMessages }),
  ...entries("trap", { ...trapMessages, ...vmMessages, ...vmExitMessages, ...vmOperatorMessages }),
  ...entries("trap", { ...vmMoveMessages, ...vmSpanMessages, ...diskMessages }),
  ...entries("kv", kvMessages),
]
