/**
 * How far each port may run without hearing from the others (conservative synchronisation with lookahead; Chandy and
 * Misra 1979, Fujimoto's "time windows").
 *
 * A message sent at t is due at t + latency. So nothing that port P has not been told of can be due for it before
 *
 *   min over the other ports Q of floor(Q), plus latency
 *
 * where floor(Q) is the earliest time at which Q can still handle anything: its next input, or, while it runs, what was
 * its next input when it was granted. What other ports do because of P's own messages comes back at the earliest at
 * (P's first send) + 2 × latency: the port itself stops there. A port with nothing to do has no floor and holds nobody up.
 */
import { after, type VirtualTime } from "@backplane/foundation-actor/virtual-time"

export interface Floor {
  /** Null: it has nothing to do. */
  readonly floor: VirtualTime | null
}

/** The bound of each, in the same order; null: no bound. */
export function safeBounds(ports: readonly Floor[], latencyCycles: number): (VirtualTime | null)[] {
  let least: VirtualTime | null = null
  let leastIndex = -1
  let second: VirtualTime | null = null
  ports.forEach(({ floor }, index) => {
    if (floor === null) return
    if (least === null || floor < least) {
      second = least
      least = floor
      leastIndex = index
    } else if (second === null || floor < second) {
      second = floor
    }
  })
  return ports.map((_, index) => {
    const others = index === leastIndex ? second : least
    return others === null ? null : after(others, latencyCycles)
  })
}

/** The earlier of two, where null is never. */
export function earlier(a: VirtualTime | null, b: VirtualTime | null): VirtualTime | null {
  if (a === null) return b
  return b === null || a <= b ? a : b
}
