/** Who reads through memory is brought the pages ahead, many asked for in one message. Which may be: walk-hints.test.ts of memory/controller. */
import { describe, expect, it } from "vitest"
import type { Body } from "@backplane/foundation-actor/machine"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import type { FaultPlan } from "@backplane/foundation-simulation/fault-plan"
import type { PagesRun } from "@backplane/memory-contract/coherence-messages"
import type { SpaceRules } from "@backplane/memory-contract/memory-operator-messages"
import { SpaceWorld, type SpaceRun } from "./space-world.ts"

const RULES: SpaceRules = { placement: { kind: "local", node: 0 }, byToucher: [], migrate: false, replicate: false, hotMisses: 8 }
const FAULTS: FaultPlan = {
  until: virtualTime(Number.MAX_SAFE_INTEGER),
  loss: 0.02,
  duplication: 0.03,
  delay: { min: 5, max: 60 },
  reordering: 0.2,
}
/** 48 pages on node 0, gone through by one hart of node 1. */
const WALK: SpaceRun = { space: "text", program: "read", pages: 48, rounds: 2, harts: [1], copiesMax: 0, rules: RULES }

function run(
  space: SpaceRun,
  faults?: FaultPlan,
): { readonly cycles: number; readonly said: readonly Body[]; readonly results: readonly string[] } {
  const spaces = new SpaceWorld({ seed: 3, nodes: 2, ...(faults !== undefined && { world: { faults } }) })
  const said: Body[] = []
  spaces.world.onMessage(({ body }) => void said.push(body))
  spaces.open(space)
  const harts = spaces.finish(space.space, 400_000_000)
  expect(harts.every(({ state }) => state === "done")).toBe(true)
  return { cycles: spaces.world.now, said, results: harts.map(({ result }) => result) }
}

function runsOf(said: readonly Body[], of: PagesRun["of"]): readonly PagesRun[] {
  return said.filter((body): body is PagesRun => body.kind === "PagesRun" && (body as PagesRun).of === of)
}

describe.each([{ network: "whole" }, { network: "lossy", faults: FAULTS }])(
  "a walk through pages of another node, network $network",
  ({ faults }) => {
    it("is over in less time and fewer messages than page by page, and reads the same", () => {
      const ahead = run(WALK, faults)
      // Who keeps few copies reads none ahead.
      const single = run({ ...WALK, rounds: 1, copiesMax: 4 }, faults)
      expect(single.said.some(({ kind }) => kind === "PagesWanted" || kind === "PagesRun")).toBe(false)
      expect(runsOf(ahead.said, "PageGetS").length).toBeGreaterThan(1)
      expect(runsOf(ahead.said, "PageFetch").length).toBeGreaterThan(1)
      expect(ahead.said.filter(({ kind }) => kind === "PageGetS" || kind === "PageFetch").length).toBeLessThan(48)
      expect(ahead.said.length).toBeLessThan(single.said.length * 0.8)
      expect(ahead.cycles).toBeLessThan(single.cycles)
      expect(ahead.results).toEqual(run({ ...WALK, copiesMax: 4 }, faults).results)
    })
  },
)
