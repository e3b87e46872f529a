/** Multi-queue multiprocessor scheduling without migration: see README.md beside this file. */
import { firstThatMayRun, type Policy } from "../policy.ts"

export const mqms: Policy = {
  name: "mqms",
  steal: "none",
  pick: firstThatMayRun,
  give: () => -1,
}
