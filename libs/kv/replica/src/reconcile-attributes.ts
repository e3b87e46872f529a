/** What a reconciliation of several keys at once says of itself in its span: which keys, by what rule, what won or stays side by side, how much. */
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import { compareText } from "@backplane/foundation-base/json"
import type { KeyState } from "@backplane/kv-contract/versions"
import { placeName } from "@backplane/kv-replication/hash"
import type { ReplicaCore } from "./core.ts"
import { sizeOf } from "./write-traces.ts"

/** Keys that are named; of more than that the first. */
const NAMED_MAX = 8

export interface Reconciled {
  readonly bucket: string
  readonly key: string
  readonly state: KeyState
}

/** `keys`: what is handed over. The winner stands there where it is one key, with one version. */
export function reconcileAttributes(core: Pick<ReplicaCore, "reconciler">, keys: readonly Reconciled[]): Attributes {
  const states = keys.map(({ state }) => state)
  const rules = new Set(keys.map(({ bucket }) => core.reconciler(bucket).rule))
  const versions = states.reduce((sum, state) => sum + state.versions.length, 0)
  const [only] = states
  const winner = states.length === 1 && versions === 1 ? only?.versions[0]?.dot.join("#") : undefined
  return {
    "backplane.count": keys.length,
    "backplane.bytes": sizeOf(states),
    "backplane.key": keys
      .slice(0, NAMED_MAX)
      .map(({ bucket, key }) => placeName(bucket, key))
      .join(" "),
    "backplane.rule": [...rules].sort(compareText).join(" "),
    "backplane.siblings": versions,
    ...(winner === undefined ? {} : { "backplane.winner": winner }),
  }
}
