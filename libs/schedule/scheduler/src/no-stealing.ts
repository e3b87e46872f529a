/** The way of policies that never look elsewhere. */
import type { Stealing } from "./stealing.ts"

export const NO_STEALING: Stealing = {
  begin: () => undefined,
  mayDecide: () => true,
  afterDecide: () => undefined,
  onTimer: () => undefined,
  onReply: () => undefined,
  onArrival: () => undefined,
}
