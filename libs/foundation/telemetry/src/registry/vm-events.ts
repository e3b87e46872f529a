/** Events of virtual machines. */
import { count, countBy, VM, WHY } from "./event-parts.ts"
import type { EventEntry } from "./kinds.ts"

export const VM_EVENTS: Readonly<Record<string, EventEntry>> = {
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
}
