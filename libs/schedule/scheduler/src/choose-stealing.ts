/** Which way of looking for work elsewhere the policy of the day asks for. */
import { NO_STEALING } from "./no-stealing.ts"
import { OfferStealing } from "./offer-stealing.ts"
import { PeekStealing } from "./peek-stealing.ts"
import type { SchedulerContext } from "./scheduler-context.ts"
import type { StealHost, Stealing } from "./stealing.ts"
import { TokenStealing } from "./token-stealing.ts"

export function chooseStealing(context: SchedulerContext, host: StealHost): Stealing {
  if (!context.active || context.queue === "all") return NO_STEALING
  if (context.usesToken) return new TokenStealing(context, host)
  switch (context.policy.steal) {
    case "peek":
      return new PeekStealing(context, host)
    case "offers":
    case "domains":
      return new OfferStealing(context, host)
    default:
      return NO_STEALING
  }
}
