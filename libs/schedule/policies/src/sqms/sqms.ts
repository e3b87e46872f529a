/** Single-queue multiprocessor scheduling: see README.md beside this file. */
import { firstThatMayRun, type Policy } from "../policy.ts"

export const sqms: Policy = {
  name: "sqms",
  steal: "none",
  pick: firstThatMayRun,
  give: () => -1,
}
