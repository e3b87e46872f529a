/**
 * How a bucket's concurrent writes become what a reader sees: the one seam between the store and its policies.
 *
 * `keep` runs whenever states are joined, on every replica, so it must give the same for the same set, and dropping early must not
 * change what is kept later (`keep(keep(A) ∪ B) = keep(A ∪ B)`). `read` runs at the coordinator of a read and changes nothing.
 */
import type { Bucket } from "@backplane/kv-contract/bucket"
import type { Version } from "@backplane/kv-contract/versions"
import type { CrdtType } from "../crdt/crdt-type.ts"
import { crdtType } from "../crdt/crdt-types.ts"
import { handled, type Handlers } from "./handler/handler.ts"
import { lastWriter } from "./lww/last-writer.ts"
import { allSiblings } from "./siblings/all-siblings.ts"

export interface Reconciler {
  readonly rule: string
  /** The versions that stay, in the order given; at least one of a set that is not empty. */
  keep(versions: Version[]): Version[]
  /** The values that a reader gets; deletions are not among them. */
  read(versions: readonly Version[]): readonly string[]
  /** Of the events of one request: whether what replaced one replaced them all. Where only the latest is kept, that decides. */
  readonly endsTogether: boolean
  /** Null where the policy is not crdt. */
  readonly crdt: CrdtType | null
}

/** The reconciler of a bucket, or why there is none. */
export function reconcilerOf(bucket: Bucket, handlers: Handlers): Reconciler | string {
  switch (bucket.policy) {
    case "lww":
      return lastWriter
    case "siblings":
    case "linear":
      return allSiblings
    case "handler":
      return handled(bucket.handler, handlers)
    case "crdt":
      if (bucket.crdt === undefined) return `bucket ${bucket.name}: policy crdt needs the field crdt (the name of a type)`
      return { ...allSiblings, rule: bucket.crdt, crdt: crdtType(bucket.crdt) }
  }
}

export function liveValues(versions: readonly Version[]): readonly string[] {
  return versions.flatMap(({ value }) => (value === null ? [] : [value]))
}
