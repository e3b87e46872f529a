/**
 * Siblings. Goal: no concurrent write is lost; who understands the values merges them. Procedure: a join keeps all; a reader gets all and
 * their context, and writes the merge back with that context, which replaces exactly what it saw. A deletion that is concurrent with a
 * write leaves the write. Limits: a writer that never reads piles siblings up to SIBLINGS_MAX, then is refused. Source: DeCandia and
 * others, "Dynamo" (2007), section 4.4, with dotted versions instead of plain vectors.
 */
import { liveValues, type Reconciler } from "../reconciler.ts"

export const allSiblings: Reconciler = {
  rule: "siblings",
  keep: (versions) => versions,
  read: liveValues,
  endsTogether: true,
  crdt: null,
}
