/** Plays the faults of power and disks onto a run: all damage to the victim's disk, power loss to everybody. */
import { defined } from "@backplane/foundation-base/assert"
import type { Random } from "@backplane/foundation-base/random"
import { after } from "@backplane/foundation-actor/virtual-time"
import { crashFor, strike, type BlowTimes } from "./blows.ts"
import type { FaultClass } from "./kv-faults.ts"
import type { KvRun } from "./kv-world.ts"

const SECOND = 1_000_000

export function armDiskFaults(run: KvRun, random: Random, times: BlowTimes): void {
  const { faults, disks, world } = run
  const place = defined(disks.get(faults.victim), "the victim has a disk")
  const own = random.fork("damage")
  const repeat = (name: FaultClass, every: number, fault: (random: Random) => void): void =>
    strike(run, random, { name, every, ...times }, fault)
  repeat("power", 20 * SECOND, (draws) => {
    for (const id of run.replicas) crashFor(run, id, draws.between(1000, SECOND))
  })
  repeat("flip", 20 * SECOND, (draws) => {
    for (let bits = own.between(1, 8); bits > 0; bits--) place.disk.flipBit(own)
    crashFor(run, faults.victim, draws.between(1000, SECOND))
  })
  repeat("misdirect", 20 * SECOND, (draws) => {
    place.disk.misdirect(own)
    crashFor(run, faults.victim, draws.between(1000, SECOND))
  })
  repeat("full", 20 * SECOND, (draws) => {
    place.disk.bytesMax = place.disk.bytes + draws.below(200)
    world.at(after(world.now, draws.between(SECOND, 4 * SECOND)), () => (place.disk.bytesMax = Number.POSITIVE_INFINITY))
  })
  repeat("lie", 20 * SECOND, (draws) => {
    place.disk.lies = true
    world.at(after(world.now, draws.between(SECOND, 3 * SECOND)), () => {
      crashFor(run, faults.victim, draws.between(1000, SECOND))
      place.disk.lies = false
    })
  })
  repeat("backup", 30 * SECOND, (draws) => {
    const copy = place.disk.backup()
    world.at(after(world.now, draws.between(SECOND, 10 * SECOND)), () => {
      place.restoreFrom = copy
      crashFor(run, faults.victim, draws.between(1000, SECOND))
    })
  })
}
