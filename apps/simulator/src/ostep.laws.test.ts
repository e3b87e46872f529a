import { describe, expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import {
  drawInput,
  drawLosingInput,
  figuresOfCase,
  figuresOfMachine,
  figuresOfOracle,
  inputFor,
  referenceCases,
  type OstepInput,
} from "./testing/ostep-cases.ts"

const PARAMETER_SETS = 150
const LOSING_SETS = 50

const cases = referenceCases()
const runnable = cases.filter((one) => one.ends !== "rejected")

describe("the OSTEP multiprocessor", () => {
  it("has its reference cases", () => {
    expect(cases).toHaveLength(20)
  })

  it.each(runnable)("the oracle gives the figures and the schedule of $id", (one) => {
    expect(figuresOfOracle(one).figures).toEqual(figuresOfCase(one))
  })

  it.each(runnable)("the simulated machine gives the figures and the schedule of $id, on one node and on two", (one) => {
    expect(figuresOfMachine(one, 1).figures).toEqual(figuresOfCase(one))
    if (one.parameters.cpus >= 2) expect(figuresOfMachine(one, 2).figures).toEqual(figuresOfCase(one))
  })

  it.each(runnable.filter((one) => one.draw !== undefined))("the jobs of $id are drawn as the chapter's program draws them", (one) => {
    const drawn = resolveMachineSpec(inputFor(one, 1)).jobs.map(({ name, run, workingSet, affinity }) => ({
      name,
      run,
      workingSet,
      affinity,
    }))
    expect(drawn).toEqual(one.jobs)
  })

  it.each(cases.filter((one) => one.ends === "rejected"))("$id is refused before it runs", (one) => {
    expect(() => resolveMachineSpec(inputFor(one, 1))).toThrow(Rejection)
  })

  it(`on ${PARAMETER_SETS} drawn sets of parameters the machine does tick by tick what the oracle does, whatever the number of nodes`, () => {
    const ends = endsOf(PARAMETER_SETS, drawInput)
    expect(ends.get("done")).toBeGreaterThan(PARAMETER_SETS / 2)
    expect(ends.get("no-victim")).toBeGreaterThan(0)
  })

  it(`on ${LOSING_SETS} sets made to lose jobs the machine names a job that the oracle never finishes`, () => {
    expect(endsOf(LOSING_SETS, drawLosingInput).get("lost-task")).toBeGreaterThan(LOSING_SETS / 4)
  })
})

/** Runs drawn sets on both, expects the same of both, and counts how they ended. */
function endsOf(sets: number, draw: (random: Random) => OstepInput & { readonly nodes: number }): ReadonlyMap<string, number> {
  const ends = new Map<string, number>()
  for (let set = 1; set <= sets; set++) {
    const input = draw(new Random(set).fork("ostep-law"))
    const oracle = figuresOfOracle(input)
    const machine = figuresOfMachine(input, input.nodes)
    expect(machine.figures, `parameter set ${set}`).toEqual(oracle.figures)
    if (machine.lostJob !== null) expect(oracle.unfinished, `parameter set ${set}`).toContain(machine.lostJob)
    ends.set(oracle.figures.ends, (ends.get(oracle.figures.ends) ?? 0) + 1)
  }
  return ends
}
