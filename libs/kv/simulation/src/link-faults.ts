/**
 * Links between replicas that break: when a replica crashes the others are told so, most of them, soon or late; and now and then one is told of a peer
 * that is well. What a live store's links do (foundation/runtime's LinkBus), which the world has none of.
 */
import type { Random } from "@backplane/foundation-base/random"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { after, virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvGone } from "@backplane/kv-contract/client-messages"
import type { KvRun } from "./kv-world.ts"

const GONE: KvGone = { kind: "KvGone" }
const TOLD_SHARE = 0.9
const LATE_CYCLES = 30_000
const FALSE_EVERY_CYCLES = 5_000_000
const LINK = "link"

/** The voice of the broken link to `replica`: the world lets nobody speak in a hosted actor's name. */
export function linkTo(replica: ActorId): ActorId {
  return actorId(`${LINK}.${replica.split(".")[1] ?? ""}`)
}

/** Who is meant where a broken link speaks. */
export function peerBehind(from: ActorId, own: ActorId): ActorId {
  return from.startsWith(`${LINK}.`) ? actorId(`${own.split(".")[0] ?? ""}.${from.slice(LINK.length + 1)}`) : from
}

export function armLinkFaults(run: KvRun, random: Random, { until, pace }: { readonly until: number; readonly pace: number }): void {
  const { world, replicas, faults } = run
  if (!faults.classes.has("told")) return
  const tell = (gone: ActorId, to: ActorId, late: number): void =>
    world.at(after(world.now, late), () => world.inject({ from: linkTo(gone), to, body: GONE }))
  world.onCrash((gone) => {
    if (!replicas.includes(gone)) return
    for (const to of replicas) if (to !== gone && random.chance(TOLD_SHARE)) tell(gone, to, random.between(100, LATE_CYCLES))
  })
  for (let at = random.between(1, FALSE_EVERY_CYCLES); at < until; at += Math.ceil(random.between(1000, FALSE_EVERY_CYCLES) / pace)) {
    const [gone, to] = [random.pick(replicas), random.pick(replicas)]
    if (gone === to) continue
    world.at(virtualTime(at), () => {
      run.blows.count++
      tell(gone, to, 0)
    })
  }
}
