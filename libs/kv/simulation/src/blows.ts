/** What strikes a run again and again while its faults last: damage to disks, power, zones, the bus. */
import type { Random } from "@backplane/foundation-base/random"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { after, virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FaultClass } from "./kv-faults.ts"
import type { KvRun } from "./kv-world.ts"

const SECOND = 1_000_000
/** Before the end nothing more is struck, so that what is down then is so by the drawn time. */
const REST_CYCLES = 5 * SECOND

/** How long blows fall, and how many times faster than usual. */
export interface BlowTimes {
  readonly until: number
  readonly pace: number
}

/** Blows of a class that was drawn, between one second and `every` apart. */
export function strike(
  run: KvRun,
  random: Random,
  { name, every, until, pace }: BlowTimes & { readonly name: FaultClass; readonly every: number },
  blow: (random: Random) => void,
): void {
  if (!run.faults.classes.has(name)) return
  const draws = random.fork(name)
  const next = (): number => Math.ceil(draws.between(SECOND, every) / pace)
  for (let at = next(); at < until - REST_CYCLES; at += next())
    run.world.at(virtualTime(at), () => {
      run.blows.count++
      blow(draws)
    })
}

/** Down for a while, without what was not synced. */
export function crashFor({ world }: KvRun, id: ActorId, down: number): void {
  if (world.stateOf(id) !== "running" && world.stateOf(id) !== "paused") return
  world.crash(id, { loseUnsynced: true })
  world.at(after(world.now, down), () => {
    if (world.stateOf(id) === "crashed") world.restart(id)
  })
}
