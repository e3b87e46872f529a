import { describe, expect, it } from "vitest"
import { failingSeeds, runTwice } from "@backplane/foundation-simulation/replay"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { HypervisorMachine } from "@backplane/trap-hypervisor/hypervisor"
import { machineWorld, outcomeOf } from "./simulate.ts"
import { addMachineCheckers } from "./soak/machine-checkers.ts"
import { soak, type SoakKind } from "./soak/soak-scenario.ts"
import { PLANTED, type PlantedBug } from "./testing/planted-bugs.ts"

/** At most so many seeds until the bug shows; a fault that must meet a certain moment needs more than one. */
const SEEDS = 12

const CAUGHT: readonly (readonly [bug: PlantedBug, kind: SoakKind, why: RegExp])[] = [
  ["steal answered anew", "lossy", /the question .* is answered with/],
  ["commit handled twice", "lossy", /the commit .* is answered/],
  ["events never repeated", "lossy", /bypassed a scheduler|unanswered|no progress/],
  ["end of a task never repeated", "lossy", /restarts, though nothing failed|unanswered/],
  ["submission never repeated", "lossy", /no progress: all jobs ended/],
  ["release never repeated", "lossy", /there is still: .*(lease|unanswered)/],
  ["task dropped when preempted", "exact", /bypassed a scheduler/],
  ["task forgotten when new", "exact", /bypassed a scheduler/],
  ["frames never given back", "exact", /there is still: .*lease/],
  ["frames leased twice", "lossy", /there is still: .*lease|no progress/],
  ["moved task forgotten", "exact", /no progress|restarts, though nothing failed/],
  ["task begun on two nodes", "exact", /lies on node \d+ and on node \d+/],
]

describe("a bug planted on purpose is seen by the checkers", () => {
  it.each(CAUGHT)("%s, kind %s", (bug, kind, why) => {
    const scenario = soak({ kind, make: PLANTED[bug] })
    let seen: string | undefined
    for (let from = 1; seen === undefined && from <= 4 * SEEDS; from += SEEDS / 2)
      seen = [...failingSeeds(scenario, { from, count: SEEDS / 2 }).values()][0]
    expect(seen).toMatch(why)
  })

  // No checker sees it, for the machine does: whose attach is lost is ejected, and attaches anew when it comes back.
  it("attach never repeated: its scheduler is ejected, and the machine goes on", () => {
    const exits: string[] = []
    for (let seed = 12; seed <= 4 * SEEDS && exits.length === 0; seed++) {
      const world = soak({ kind: "lossy", make: PLANTED["attach never repeated"] })(seed)
      world.inspect(HYPERVISOR, HypervisorMachine)?.exits.forEach(({ fault }) => exits.push(fault))
    }
    expect(exits).toContain("stall")
  })

  it.each(["a clock on the wall", "chance of its own"] as const)("%s: two runs of one seed differ", (bug) => {
    expect(() => runTwice(soak({ kind: "exact", make: PLANTED[bug] }), 1)).toThrow(/two runs of one seed differ/)
  })
})

describe("a scheduler that is wrong is refused, and the machine goes on", () => {
  const jobs = ["a", "b", "c", "d"].map((name, index) => ({ name, run: 40, workingSet: 10, affinity: index % 2 === 0 ? [1] : [0] }))

  it.each([
    ["task dispatched to two CPUs", "sqms", /STALE_TASK|NOT_RUNNABLE|CPU_BUSY|NOT_OWNED/],
    ["task run where it may not", "sqms", /AFFINITY/],
    ["task run where it may not", "mqms-steal", /AFFINITY/],
    ["task run where it may not", "mqms-warm", /AFFINITY/],
  ] as const)("%s under %s", (bug, policy, verdict) => {
    const spec = resolveMachineSpec({
      // Of one queue, the fallback of a node sees only what lies there.
      topology: { cpus: 2, nodes: policy === "sqms" ? 1 : 2 },
      schedule: { policy, peekTicks: 3 },
      // Long work on one CPU, so that the other looks for some.
      jobs: policy === "sqms" ? jobs : jobs.map((job, index) => ({ ...job, affinity: index === 0 ? [1] : [0] })),
    })
    const world = machineWorld(spec, {}, PLANTED[bug])
    addMachineCheckers(world, spec)
    const verdicts: string[] = []
    world.onEvent((_at, _actor, { name, fields }) => {
      if (name === "verdict-refused") verdicts.push(String(fields?.["backplane.verdict"]))
    })
    world.run({ stop: () => outcomeOf(world) !== null })
    expect(verdicts.filter((one) => verdict.test(one))).not.toHaveLength(0)
    expect(outcomeOf(world)).toMatchObject({ result: { lost: [], restarts: 0 } })
  })
})
