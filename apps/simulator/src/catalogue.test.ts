/** What the actors of a machine really say goes the way that the catalogue says, under every policy. */
import { actorMessages } from "@backplane/catalogue/catalogue"
import { KINDS } from "@backplane/catalogue/direction"
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { describe, expect, it } from "vitest"
import { machineWorld, outcomeOf } from "./simulate.ts"

const DIRECTIONS = new Map(actorMessages().map(({ kind, from, to }) => [kind, `${KINDS[from.kind]} → ${KINDS[to.kind]}`]))

/** Kind of message → the ways it went, in a run to its end. */
function waysOf(scenario: unknown): ReadonlyMap<string, string> {
  const ways = new Map<string, string>()
  const world = machineWorld(resolveMachineSpec(scenario), { fingerprint: "off", stepsMax: 500_000 })
  world.onMessage(({ from, to, body }) => void ways.set(body.kind, `${actorKind(from)} → ${actorKind(to)}`))
  world.run({ stop: () => outcomeOf(world) !== null })
  return ways
}

const draw = { count: 8, maxRun: 100, maxWorkingSet: 60 }
const topology = { nodes: 2, cpus: 4 }

describe("messages go as the catalogue says", () => {
  it.each<[string, unknown, readonly string[]]>([
    [
      "sqms over two nodes",
      { topology, draw, schedule: { policy: "sqms" } },
      ["SchedulerCommit", "TaskFetch", "TaskState", "TaskReceived"],
    ],
    [
      "mqms-steal in the OSTEP model",
      { topology, draw, schedule: { policy: "mqms-steal", compat: "ostep", peekTicks: 5 } },
      ["StealToken", "StealAsk"],
    ],
    [
      "mqms-warm with a swap",
      {
        topology,
        draw,
        schedule: { policy: "mqms-warm" },
        actions: [
          { atTick: 20, swap: "sqms" },
          { atTick: 40, swap: "mqms-warm" },
        ],
      },
      ["OfferAsk", "OfferAnswer", "PolicySwap"],
    ],
  ])("%s", (_, scenario, expected) => {
    const ways = waysOf(scenario)
    expect([...ways.keys()]).toEqual(expect.arrayContaining([...expected]))
    for (const [kind, way] of ways) expect([kind, DIRECTIONS.get(kind)]).toEqual([kind, way])
  })
})
