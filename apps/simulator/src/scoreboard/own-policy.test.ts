import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { QUEUE_POLICY } from "@backplane/schedule-policies/queue-policies"
import { describe, expect, it } from "vitest"
import { contenderOf, contenderOfOwn } from "./contender.ts"
import { contendersOf, ownPolicy } from "./own-policy.ts"
import { boardOf, specFor } from "./scoreboard.ts"
import { workloadOf } from "./workload-of.ts"

const POLICIES = join(import.meta.dirname, "../../../../libs/schedule/policies/src")

describe("a policy of one's own on the scoreboard", () => {
  // One queue for all and one a CPU; slices that are aligned and its own; with and without stealing.
  it.each(["rr", "eevdf", "lottery", "mqms-warm"] as const)("scores as ours does where it is the same: %s", (name) => {
    const own = contenderOfOwn({ ...QUEUE_POLICY[name], name: "mine" }, "mine.ts")
    expect(own.policy).not.toBe(name === "rr" ? "mqms" : name)
    for (const workload of ["imbalance", "wake-up"].map(workloadOf)) {
      const [mine, ours] = boardOf(workload, [own, contenderOf(name)], { sets: 2 }).scores
      expect(mine).toEqual({ ...ours, contender: "mine" })
    }
  })

  it("stands in the scenario as one of ours with the same queues", () => {
    const own = contenderOfOwn({ ...QUEUE_POLICY.eevdf, name: "mine" }, "mine.ts")
    expect(specFor(workloadOf("ostep"), own, 0).schedule.policy).toBe("mqms")
  })

  it("is read from a file, under its own name, or the file's where one of ours has it", async () => {
    const path = join(POLICIES, "rr/rr.ts")
    expect(await ownPolicy(path)).toBe((await import("@backplane/schedule-policies/rr/rr")).rr)
    const contenders = await contendersOf(`mqms, ${path},mqms`)
    expect(contenders.map(({ label }) => label)).toEqual(["mqms", path])
  })

  it.each([
    ["./nowhere.ts", /there is no file \.\/nowhere\.ts/],
    [join(import.meta.dirname, "columns.ts"), /exports no policy: an object with name, layout/],
    [join(POLICIES, "queue-policies.ts"), /exports no policy/],
    ["cfq", /there is no policy cfq; .*or the file of your own/],
    ["mqms@5", /only policies that steal \(mqms-steal, .*mqms-warm/],
    ["mqms-steal@0", /from 1/],
  ])("%s is refused", async (text, said) => {
    await expect(contendersOf(text)).rejects.toThrow(said)
  })

  it("a file that does not compile is refused with what is wrong", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "own-policy-")), "broken.mjs")
    writeFileSync(path, "export const policy = {")
    await expect(contendersOf(path)).rejects.toThrow(/broken\.mjs cannot be loaded: /)
    rmSync(dirname(path), { recursive: true })
  })

  it("an interval may be said of every policy that steals", async () => {
    expect((await contendersOf("mqms-steal@5,mqms-warm@5")).map(({ peekTicks }) => peekTicks)).toEqual([5, 5])
  })

  it("ours are known by their names as before", async () => {
    expect((await contendersOf(POLICY_NAMES.join(","))).map(({ policy }) => policy)).toEqual(POLICY_NAMES)
  })
})
