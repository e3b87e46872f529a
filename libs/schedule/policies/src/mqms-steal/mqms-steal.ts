/** Multi-queue scheduling with work stealing by peeking: see README.md beside this file. */
import { firstThatMayRun, type Policy } from "../policy.ts"

export const mqmsSteal: Policy = {
  name: "mqms-steal",
  steal: "peek",
  pick: firstThatMayRun,
  give: firstThatMayRun,
}
