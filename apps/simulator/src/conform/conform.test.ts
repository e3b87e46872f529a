/** Every policy that ships keeps the contract; every mutant is found out; every machine survives every mutant. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { describe, expect, it } from "vitest"
import { LAWS } from "./laws.ts"
import { MUTANTS, mutantOf, type Mutant, type MutantName } from "./mutants.ts"
import { survival } from "./survival.ts"
import { ownSubject, tryOut } from "./trial.ts"

const policyOf = (name: MutantName): PolicyName => (MUTANTS[name] as Mutant).policy ?? "rr"

describe("the conformance kit", () => {
  /** Laws that some mutant was found to break. */
  const broken = new Set<string>()

  it.each(POLICY_NAMES)("finds nothing against %s", async (policy) => {
    const { findings } = await tryOut(ownSubject(), policy)
    expect(findings).toEqual([])
  })

  it.each(Object.keys(MUTANTS) as MutantName[])("rejects one that %s", async (name) => {
    const { findings } = await tryOut(
      ownSubject((machine: Machine) => mutantOf(machine, MUTANTS[name])),
      policyOf(name),
    )
    for (const { law } of findings) broken.add(law)
    expect(findings.map(({ law }) => law)).toContain(MUTANTS[name].breaks)
  })

  it("has no law that no mutant breaks", () => {
    expect(Object.keys(LAWS).filter((law) => !broken.has(law))).toEqual([])
  })
})

describe("a machine", () => {
  it.each(Object.keys(MUTANTS) as MutantName[])("survives one that %s, in at most twice the time of the built-in round robin", (name) => {
    const { lost, ratio } = survival(MUTANTS[name])
    expect(lost).toEqual([])
    expect(ratio).toBeLessThanOrEqual(2)
  })
})
