/** What is done to the processes: kills, pauses, partitions, one shard at a time, drawn from a seed. */
import type { Random } from "@backplane/foundation-base/random"
import type { LiveStore } from "./live-store.ts"
import type { Blow } from "./tail.ts"

export interface Done {
  kills: number
  gatewayKills: number
  pauses: number
  partitions: number
}

export const FAULTS = ["kill", "pause", "partition"] as const
export type Fault = (typeof FAULTS)[number]

export interface NemesisOptions {
  readonly store: LiveStore
  readonly random: Random
  /** What may be done. At least one. */
  readonly faults: readonly Fault[]
  readonly say: (line: string) => void
  /** Milliseconds since the run began. */
  readonly now: () => number
  /** Told of each when it is over. */
  readonly onBlow: (blow: Blow) => void
  /** Whether it is enough. */
  readonly enough: (done: Done) => boolean
}

/** Every so many kills one is a gateway's. */
const GATEWAY_EVERY = 10
const BETWEEN_MILLISECONDS = 300

/** Of twenty faults, where all may be. */
const SHARES: Readonly<Record<Fault, number>> = { kill: 14, pause: 3, partition: 3 }

/** Drawn by their shares among those that may be. */
export function drawFault(random: Random, faults: readonly Fault[]): Fault {
  return random.pick(faults.flatMap((fault) => new Array<Fault>(SHARES[fault]).fill(fault)))
}

export async function torment({ store, random, faults, say, now, onBlow, enough }: NemesisOptions): Promise<Done> {
  const done: Done = { kills: 0, gatewayKills: 0, pauses: 0, partitions: 0 }
  while (!enough(done)) {
    await sleep(BETWEEN_MILLISECONDS)
    const index = random.below(store.shards.length)
    const at = now()
    const fault = drawFault(random, faults)
    switch (fault) {
      case "kill":
        await kill(store, index, done)
        break
      case "pause":
        await pause(store, index, done, random)
        break
      case "partition":
        await partition(store, index, done, random)
        break
    }
    const who = fault === "kill" && done.kills % GATEWAY_EVERY === 0 ? "a gateway" : `shard ${index}`
    onBlow({ fault: `the ${fault} of ${who.replace(/ \d+$/, "")}`.replace("of shard", "of a shard"), at, over: now() })
    say(`${(at / 1000).toFixed(1)} s: ${fault} of ${who}; ${done.kills} kills, ${done.pauses} pauses, ${done.partitions} partitions`)
  }
  return done
}

async function kill(store: LiveStore, index: number, done: Done): Promise<void> {
  done.kills++
  if (done.kills % GATEWAY_EVERY === 0) {
    done.gatewayKills++
    const which = done.gatewayKills % store.gateways.length
    await store.gateways[which]?.kill()
    store.gateways[which]?.start()
    return store.gatewayReady(which)
  }
  await store.shards[index]?.kill()
  store.shards[index]?.start()
  await store.shardReady(index)
}

/** As a host that hangs and comes back: from a moment to longer than an election. */
async function pause(store: LiveStore, index: number, done: Done, random: Random): Promise<void> {
  done.pauses++
  store.shards[index]?.signal("SIGSTOP")
  await sleep(random.between(50, 1_500))
  store.shards[index]?.signal("SIGCONT")
}

/** One shard without the others, or without one of them; gateways reach all. */
async function partition(store: LiveStore, index: number, done: Done, random: Random): Promise<void> {
  done.partitions++
  const others = [...store.shards.keys()].filter((each) => each !== index)
  const peers = random.chance(0.5) ? others : [random.pick(others)]
  await store.cut(index, peers)
  await sleep(random.between(300, 2_000))
  await store.cut(index, [])
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
