/** Plays the loss of a whole zone, and of the bus's server: many at once, as sites fail. */
import type { Random } from "@backplane/foundation-base/random"
import { after } from "@backplane/foundation-actor/virtual-time"
import { crashFor, strike, type BlowTimes } from "./blows.ts"
import { zoneOf, type KvRun } from "./kv-world.ts"

const MS = 1000
const SECOND = 1_000_000

export function armSiteFaults(run: KvRun, random: Random, times: BlowTimes): void {
  const { world, replicas, clients } = run
  const zones = [...new Set(replicas.map((_, index) => zoneOf(index)))]
  strike(run, random, { name: "zone", every: 20 * SECOND, ...times }, (draws) => {
    const zone = draws.pick(zones)
    const down = draws.between(100 * MS, 4 * SECOND)
    for (const [index, id] of replicas.entries()) if (zoneOf(index) === zone) crashFor(run, id, down)
  })
  strike(run, random, { name: "bus", every: 10 * SECOND, ...times }, (draws) => {
    // Nobody hears anybody until there is a server again; that mends what else was cut.
    world.partition([...replicas, ...clients].map((id) => [id]))
    world.at(after(world.now, draws.between(50 * MS, 2 * SECOND)), () => world.healNetwork())
  })
}
