/**
 * How long a register is without an answer when its leader is killed: from the kill to the answers of both that are left, in simulated time.
 *
 * Messages take as long as on a busy computer, each another time, and so do the notices of broken links; more is asked of the leader than is at both
 * others when it ends, so their logs may differ. Everything is drawn from the seed.
 */
import { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { after } from "@backplane/foundation-actor/virtual-time"
import { linkTo } from "./link-faults.ts"
import { MS, Scene, SECOND } from "./scene.ts"

/** As a live shard has them (apps/kv-shard), but a dead replica's partner is never waited for in vain. */
const TIMINGS = { retry: 30 * MS, handoff: 150 * MS, election: 150 * MS, heartbeat: 50 * MS } as const
const GIVE_UP_CYCLES = 10 * SECOND
/** As a gateway's: who is refused, or whose request went to the dead, asks again after this. */
const REPEAT_CYCLES = 400 * MS
/** Requests that are under way when the leader is killed. */
const UNDER_WAY = 4

export interface FailoverOptions {
  readonly seed: number
  /** The longest that a message, or the notice of a broken link, takes. Cycles. */
  readonly delayMax: number
  readonly syncCycles: number
}

/** Cycles until both have answered what they were asked in the moment of the kill; throws where that takes ten seconds. */
export function failoverCycles({ seed, delayMax, syncCycles }: FailoverOptions): number {
  const random = new Random(`failover/${seed}`)
  const scene = new Scene({ seed, syncCycles, timings: TIMINGS, delay: { min: MS, max: delayMax } })
  const place = { bucket: "register", key: `r${seed}` }
  const members = scene.replicas.slice(0, 3)
  scene.success(members, { type: "cas", ...place, expect: null, value: "0" })
  scene.run(SECOND)
  const leader = scene.leader(place.bucket, place.key) as ActorId
  const left = members.filter((id) => id !== leader)
  for (let request = 0; request < UNDER_WAY; request++) {
    scene.ask(leader, { type: "cas", ...place, expect: "0", value: "0" })
    scene.run(random.between(1, delayMax))
  }
  scene.crash(leader)
  const killedAt = scene.world.now
  // It comes by another way than what was said before, and may be there first.
  for (const to of left)
    scene.world.at(after(killedAt, random.between(1, delayMax)), () =>
      scene.world.inject({ from: linkTo(leader), to, body: { kind: "KvGone" } }),
    )
  const open = left.map((id) => ({ id, sequence: scene.ask(id, { type: "get", ...place }), at: Number(killedAt) }))
  while (scene.world.now - killedAt < GIVE_UP_CYCLES) {
    scene.run(MS)
    const unanswered = open.filter(({ sequence }) => scene.answer(sequence)?.ok !== true)
    if (unanswered.length === 0) return scene.world.now - killedAt
    for (const each of unanswered) {
      if (scene.world.now - each.at < REPEAT_CYCLES) continue
      each.at = scene.world.now
      scene.ask(each.id, { type: "get", ...place }, { sequence: each.sequence, attempt: 1 })
    }
  }
  throw new Error(`seed ${seed}: no answer ${GIVE_UP_CYCLES / SECOND} s after the kill`)
}
