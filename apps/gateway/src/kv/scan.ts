/** A scan over all partitions of a bucket: each is asked once, the sorted lists are merged, and what could not be asked is told. */
import { compareText, type Json } from "@backplane/foundation-base/json"
import type { KvAnswer } from "@backplane/kv-contract/client-messages"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { problemOf } from "./answers.ts"
import type { StoreAccess } from "./store-access.ts"

export interface ScanWish {
  readonly bucket: string
  readonly prefix: string
  readonly after?: string
  readonly limit: number
  readonly keysOnly: boolean
}

export interface ScanPage {
  readonly entries: readonly { readonly key: string; readonly values: readonly string[]; readonly result?: Json }[]
  /** Where to go on: `after` of the next scan; null where this was the end. */
  readonly next: string | null
  readonly coverage: { readonly partitions: number; readonly asked: number; readonly missing: readonly number[] }
}

type Entry = readonly [key: string, values: readonly string[], result: Json]

export async function scanBucket(store: StoreAccess, { bucket, prefix, after, limit, keysOnly }: ScanWish): Promise<ScanPage> {
  const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)
  const answers = await Promise.all(
    all.map((partition) =>
      store.ask({
        type: "scan",
        bucket,
        partition,
        prefix,
        limit,
        ...(keysOnly ? { keysOnly } : {}),
        ...(after === undefined ? {} : { after }),
      }),
    ),
  )
  const refused = answers.find((answer) => !answer.ok && answer.reason === "unknown-bucket")
  if (refused !== undefined && !refused.ok) throw problemOf(refused)
  const missing = all.filter((partition) => answers[partition]?.ok !== true)
  const lists = answers.flatMap((answer) => listOf(answer))
  const merged = lists.flatMap(({ entries }) => entries).sort(([a], [b]) => compareText(a, b))
  // A partition that has more than it could tell vouches only up to its last key.
  const sure = lists.filter(({ more }) => more).map(({ entries }) => entries.at(-1)?.[0] ?? "")
  const bound = sure.length === 0 ? null : sure.reduce((least, key) => (key < least ? key : least))
  const vouched = bound === null ? merged : merged.filter(([key]) => key <= bound)
  const entries = vouched.slice(0, limit)
  const isEnd = bound === null && entries.length === merged.length
  return {
    entries: entries.map(([key, values, result]) => (result === null ? { key, values } : { key, values, result })),
    next: isEnd ? null : (entries.at(-1)?.[0] ?? null),
    coverage: { partitions: PARTITIONS, asked: PARTITIONS - missing.length, missing },
  }
}

function listOf(answer: KvAnswer): { readonly entries: readonly Entry[]; readonly more: boolean }[] {
  return answer.ok ? [answer.result as unknown as { entries: Entry[]; more: boolean }] : []
}
