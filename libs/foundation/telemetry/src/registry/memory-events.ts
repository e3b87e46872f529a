/** Events of leases, frames and shared pages. */
import { count, countBy, TASK, WHY } from "./event-parts.ts"
import type { EventEntry } from "./kinds.ts"

export const MEMORY_EVENTS: Readonly<Record<string, EventEntry>> = {
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
}
