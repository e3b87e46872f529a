/** Hunts by script (directed-hunts.ts) for requests that are done, forgotten and sent again. */
import { assert, defined } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { DONE_SEQUENCES_MAX } from "@backplane/kv-contract/limits"
import { plain, read, type DirectedHunt } from "./directed-hunts.ts"
import { MS, Scene, SECOND } from "./scene.ts"

/** A put of `k0` that was done, though its caller did not hear of it. */
function unheardPut(scene: Scene): { readonly holders: readonly ActorId[]; readonly sequence: number; readonly sentAt: number } {
  const holders = scene.holders("plain", "k0")
  const sentAt = scene.world.now
  scene.isDeaf = true
  const sequence = scene.ask(defined(holders[0], "three hold it"), plain("k0", "once"))
  scene.run(100 * MS)
  scene.isDeaf = false
  return { holders, sequence, sentAt }
}

/** A request is done, the key is deleted and let go with all that it remembers, and the request comes once more. */
export const repeatedAfterCollection: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, timings: { certifyRound: SECOND } })
  const { holders, sequence, sentAt } = unheardPut(scene)
  const { context } = scene.success(holders, read("k0"))
  scene.success(holders, { type: "delete", bucket: "plain", key: "k0", context })
  scene.run(10 * SECOND)
  assert(
    holders.every((id) => scene.view(id)?.table.record({ bucket: "plain", key: "k0" }) === undefined),
    "the tombstone is collected before the request comes again",
  )
  scene.ask(holders[1] as ActorId, plain("k0", "once"), { sequence, attempt: 1, age: scene.world.now - sentAt })
  scene.run(SECOND)
  assert(scene.success(holders, read("k0")).values.length === 0, "what was deleted came back")
}

/** A request is done, more of the key are done than a key remembers, the clocks on the wall jump, and the request comes once more. */
export const repeatedAfterJump: DirectedHunt = (rules, seed) => {
  let error = 0
  const scene = new Scene({ rules, seed, clockError: () => error })
  const { holders, sequence, sentAt } = unheardPut(scene)
  let { context } = scene.success(holders, read("k0"))
  for (let index = 0; index < 2 * DONE_SEQUENCES_MAX; index++)
    context = scene.success(holders, { ...plain("k0", `later-${index}`), context }).context
  error = 60 * SECOND
  scene.ask(holders[1] as ActorId, plain("k0", "once"), { sequence, attempt: 1, age: scene.world.now - sentAt })
  scene.run(SECOND)
  assert(!scene.success(holders, read("k0")).values.includes("once"), "what was replaced came back")
}
