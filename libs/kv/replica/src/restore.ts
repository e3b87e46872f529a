/** What a replica finds on its disk when it begins again (the keys are listed in README.md), given back to the parts that wrote it. */
import type { Json } from "@backplane/foundation-base/json"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { KeyState, Vector } from "@backplane/kv-contract/versions"
import type { ReplicaCore } from "./core.ts"

/** One value of the disk, which our own store vouches for: hence the casts. `forgetsCuts`: the disk may lack what a certified cut promises. */
export function restore(
  core: ReplicaCore,
  [key, value]: readonly [key: string, value: Json],
  { linear, forgetsCuts }: { readonly linear: (key: string, value: Json) => void; readonly forgetsCuts: boolean },
): void {
  const slash = key.indexOf("/", 2)
  const [bucket, name] = [key.slice(2, slash), key.slice(slash + 1)]
  if (key.startsWith("k/")) {
    const { state, weak } = value as { readonly state: KeyState; readonly weak?: boolean }
    if (core.bucket(bucket) === undefined) return
    const record = { bucket, key: name, state }
    core.table.set(record)
    if (weak === true) core.table.weaken(record)
    else core.lone.restored(record)
  } else if (key.startsWith("h/")) {
    const inner = name.indexOf("/")
    const { state } = value as { readonly state: KeyState }
    core.shelf.put({ target: actorId(bucket), bucket: name.slice(0, inner), key: name.slice(inner + 1), state })
  } else if (key.startsWith("c/") && !forgetsCuts) {
    const { cut, at } = value as { readonly cut: Vector; readonly at: number }
    core.table.certify(Number(key.slice(2)), cut, at, true)
  } else if (key.startsWith("r/")) linear(key, value)
}
