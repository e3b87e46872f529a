/** Hunts by script among replicas of two message versions, as in a rolling upgrade (see directed-hunts.ts). */
import { assert } from "@backplane/foundation-base/assert"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Operation } from "@backplane/kv-contract/client-messages"
import { WIRE_VERSION, WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import type { DirectedHunt } from "./directed-hunts.ts"
import { MS, Scene, SECOND } from "./scene.ts"

const OLD = WIRE_VERSION_FIRST
const NEW = WIRE_VERSION
const increment = { op: "update", name: "n", type: "counter", operation: { op: "increment", by: 5 } }
const add: Operation = { type: "update", bucket: "map", key: "k", operation: increment }
const put: Operation = { type: "put", bucket: "plain", key: "k", value: "v" }

/** A present replica writes with an old one alone: it may say nothing that the old one refuses. */
export const oldAmongNew: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, versions: [NEW, OLD, NEW, OLD] })
  const [present, old, other] = scene.replicas as [ActorId, ActorId, ActorId]
  scene.run(2 * SECOND)
  scene.world.partition([[present, old], [other]])
  scene.success([present], put)
}

/** A replica that spoke the present version is put back to the one before, and is the only one left to write with. */
export const putBack: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, versions: [NEW, NEW, OLD, OLD] })
  const [present, back, old] = scene.replicas as [ActorId, ActorId, ActorId]
  scene.run(3 * SECOND)
  scene.crash(back)
  scene.versions.set(back, OLD)
  scene.world.restart(back)
  scene.world.partition([[present, back], [old]])
  scene.success([present], put)
}

/** What is kept has a field of the present version, and goes to old members. */
export const raisedEarly: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, versions: [NEW, OLD, OLD, OLD] })
  const [present] = scene.replicas as [ActorId]
  scene.run(2 * SECOND)
  scene.success([present], add)
}

/**
 * A store that says that all speak the present version, while two members do not, and drop what they do not know: of an increment that two coordinators did
 * nobody knows any more where it counted.
 */
export const droppedField: DirectedHunt = (rules, seed) => {
  const scene = new Scene({ rules, seed, oldEdge: "strips", versions: [NEW, OLD, OLD, OLD] })
  const [present, one, other] = scene.replicas as [ActorId, ActorId, ActorId]
  scene.run(2 * SECOND)
  if (scene.view(present)?.config.version !== NEW) return
  scene.world.partition([[present, one], [other]])
  scene.isDeaf = true
  const sequence = scene.ask(present, add)
  scene.run(SECOND)
  scene.isDeaf = false
  scene.damage(present)
  scene.world.partition([[one], [other]])
  scene.ask(other, add, { sequence, attempt: 1 })
  scene.run(50 * MS)
  scene.world.healNetwork()
  scene.run(SECOND)
  assert(scene.answer(sequence)?.ok === true, "two of three answer")
  scene.world.restart(present)
  scene.run(10 * SECOND)
  const { result } = scene.success([other], { type: "get", bucket: "map", key: "k" })
  assert(JSON.stringify(result) === `{"n:counter":5}`, `what was added once to a counter in a map counts twice: ${JSON.stringify(result)}`)
}
