/** The whole check: all scopes up to a number of states, and the planted bugs. For the command; tests run parts of it. */
import { PLANTED_PROTOCOLS } from "../planted.ts"
import { PROTOCOL } from "../rules.ts"
import { explore, type Exploration } from "./explore.ts"
import { SCOPES, scopesFor } from "./scopes.ts"

export interface ScopeReport extends Exploration {
  readonly scope: string
}

export interface CheckReport {
  /** Different states of all scopes together. */
  readonly states: number
  readonly scopes: readonly ScopeReport[]
  readonly violation: ScopeReport | null
}

const PROGRESS_EVERY = 100
/** A planted bug must show within so many states of each scope. */
const PLANTED_STATES_MAX = 60_000

/** Scope after scope, until `states` have been seen in all or something is wrong. */
export function checkCoherence(states: number, onScope: (report: ScopeReport) => void = () => undefined): CheckReport {
  const scopes: ScopeReport[] = []
  let seen = 0
  for (const scope of SCOPES) {
    if (seen >= states) break
    const report = { scope: scope.name, ...explore(PROTOCOL, { ...scope, statesMax: states - seen, progressEvery: PROGRESS_EVERY }) }
    scopes.push(report)
    onScope(report)
    seen += report.states
    if (report.violation !== null) return { states: seen, scopes, violation: report }
  }
  return { states: seen, scopes, violation: null }
}

export interface PlantedReport {
  readonly bug: string
  /** The scope that shows it and what it looks like there; null: not found. */
  readonly found: { readonly scope: string; readonly what: string; readonly steps: number } | null
  readonly states: number
}

/** Breaks the protocol in each of the planted ways. */
export function checkPlanted(onBug: (report: PlantedReport) => void = () => undefined): readonly PlantedReport[] {
  return PLANTED_PROTOCOLS.map(({ bug, protocol, needs }) => {
    let states = 0
    let found: PlantedReport["found"] = null
    for (const scope of scopesFor(needs)) {
      const exploration = explore(protocol, { ...scope, statesMax: PLANTED_STATES_MAX, progressEvery: 20 })
      states += exploration.states
      if (exploration.violation === null) continue
      found = { scope: scope.name, what: exploration.violation.what, steps: exploration.violation.way.length }
      break
    }
    const report = { bug, found, states }
    onBug(report)
    return report
  })
}
