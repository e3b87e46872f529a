/** What the directory has of one page beside its entry in the protocol. */
import { newHomeEntry, type HomeEntry } from "@backplane/memory-coherence/home-entry"
import { assert } from "@backplane/foundation-base/assert"
import type { PageMessage, PageOperation } from "@backplane/memory-contract/coherence-messages"

/** For want of frames; as equal to others; as the guest does without it. */
export type StoredFor = "swapped" | "shared" | "given"

export interface DirectoryPage {
  readonly entry: HomeEntry
  /** The node where its frame lies. */
  home: number
  /** The operation of the request under way or waiting, by node, and the number of that request: a late copy of an earlier one has another. Null: none was ever asked for. */
  operations: Map<number, { readonly txn: number; readonly operation: PageOperation }> | null
  /** Misses by node, as the nodes tell them: what placement goes by. */
  readonly reads: number[]
  readonly writes: number[]
  /** The node that died with its only bytes; null: none. */
  lost: number | null
  /** Nodes that ever asked for it, as bits. */
  users: number
  /** Nodes that were told to fetch a copy, and how often the page has moved or been copied. */
  replicas: readonly number[]
  moves: number
  /** Interval of the last of these; null: never. */
  movedAt: number | null
  /** When it was last asked for: a count of all requests. */
  usedAt: number
  /** Why it lies in the page store, or goes there; null: it does not. */
  stored: StoredFor | null
  /** Hash of its bytes, the serial that it was taken at, and how often it was shared in vain; null: not known. */
  hash: { readonly value: number; readonly serial: number } | null
  unshared: number
  /** Interval in which the policy last looked, and the misses until then. */
  seenReads: readonly number[]
  seenWrites: readonly number[]
  /** As they were at the look before that one. */
  olderReads: readonly number[]
  olderWrites: readonly number[]
}

export type Pages = Map<number, DirectoryPage>
/** By space, then by page. */
export type Spaces = Map<string, Pages>

export function newPage(nodes: number, home: number, entry: HomeEntry = newHomeEntry(nodes)): DirectoryPage {
  const none = noneOf(nodes)
  return {
    entry, home, operations: null, reads: [...none], writes: [...none], lost: null, users: 0, replicas: [], moves: 0, movedAt: null,
    seenReads: none, seenWrites: none, olderReads: none, olderWrites: none, usedAt: 0, stored: null, hash: null, unshared: 0,
  } // prettier-ignore
}

const nones: (readonly number[])[] = []

/** No misses of any node: one for all pages, since nobody changes it. */
function noneOf(nodes: number): readonly number[] {
  return (nones[nodes] ??= new Array<number>(nodes).fill(0))
}

/** The operation that a node asks for. A late copy of an earlier request changes nothing. */
export function keepOperation(page: DirectoryPage, { node, txn, operation }: Extract<PageMessage, { kind: "PageOperate" }>): void {
  page.operations ??= new Map()
  if (txn >= (page.operations.get(node)?.txn ?? 0)) page.operations.set(node, { txn, operation })
}

export function operationOf({ operations }: DirectoryPage, { node, txn }: { readonly node: number; readonly txn: number }): PageOperation {
  const asked = operations?.get(node)
  assert(asked?.txn === txn, "the operation of this request was asked for")
  return asked.operation
}

export function pagesOf(spaces: Spaces, space: string): Pages {
  const known = spaces.get(space)
  if (known !== undefined) return known
  const pages: Pages = new Map()
  spaces.set(space, pages)
  return pages
}
