/**
 * Last writer wins. Goal: one value per key, no work for the reader. Terms: "last" is the highest hybrid time, ties go to the greater
 * writer. Procedure: a join keeps the highest dot. It is sound because a coordinator's next time lies past all that it and the writer
 * have seen: what replaces a version has a higher time than it. Limits: of concurrent writes all but one are lost without a word; a
 * clock that runs ahead wins. Source: Thomas, "A majority consensus approach" (1979), with a hybrid clock in place of a wall clock.
 */
import type { Version } from "@backplane/kv-contract/versions"
import { compareDots } from "../../vector.ts"
import { liveValues, type Reconciler } from "../reconciler.ts"

export const lastWriter: Reconciler = {
  rule: "lww",
  keep(versions) {
    if (versions.length < 2) return versions
    return [versions.reduce((last: Version, version) => (compareDots(version.dot, last.dot) > 0 ? version : last))]
  },
  read: liveValues,
  endsTogether: false,
  crdt: null,
}
