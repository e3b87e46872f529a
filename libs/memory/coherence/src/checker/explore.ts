/**
 * Explicit-state search, breadth first: every state that the protocol can reach within bounds, each once.
 *
 * States are remembered by 64 bits of their hash (hash compaction: Stern and Dill 1995); with 10^7 states the chance that two share one is
 * below 10^-5. Only the states still to be looked at are kept whole. For a violation the way to it is told.
 */
import { checkInvariants } from "./invariants.ts"
import { ModelStepper, Violation, type ModelEvent } from "./model-step.ts"
import { ModelCodec, initialState, type ModelBounds, type ModelState } from "./model-state.ts"
import { StateSet } from "./state-set.ts"
import { waitsForHome } from "../page-record.ts"
import type { Protocol } from "../rules.ts"

export interface ExploreOptions extends ModelBounds {
  /** Stops after so many different states. */
  readonly statesMax: number
  /** From every so-manieth state on (and from each of the first ones), everything under way must end when messages arrive and timeouts fire. */
  readonly progressEvery: number
  /** Called now and then with the number of states so far. */
  readonly onProgress?: (states: number) => void
}

export interface Exploration {
  readonly states: number
  readonly transitions: number
  /** Steps from the beginning to the farthest state. */
  readonly depth: number
  /** Are there no other states within the bounds? */
  readonly complete: boolean
  readonly progressRuns: number
  readonly violation: { readonly what: string; readonly way: readonly string[] } | null
}

/** A run in which everything arrives ends within so many steps. */
const PROGRESS_STEPS_MAX = 2000
/** It is tried from each of the first states, and from a sample of the others: what is wrong shows early, in few steps. */
const PROGRESS_ALWAYS = 500

export function explore(protocol: Protocol, options: ExploreOptions): Exploration {
  return new Explorer(protocol, options).run()
}

class Explorer {
  readonly #options: ExploreOptions
  readonly #codec = new ModelCodec()
  readonly #stepper: ModelStepper
  readonly #known: StateSet
  /** By number of the state: the state that it was reached from, and by which of its events. */
  readonly #parents: Uint32Array
  readonly #choices: Uint16Array
  #transitions = 0
  #progressRuns = 0

  constructor(protocol: Protocol, options: ExploreOptions) {
    this.#options = options
    this.#stepper = new ModelStepper(protocol, this.#codec.numbers, options)
    this.#known = new StateSet(options.statesMax)
    this.#parents = new Uint32Array(options.statesMax + 1)
    this.#choices = new Uint16Array(options.statesMax + 1)
  }

  run(): Exploration {
    const { statesMax } = this.#options
    let frontier = [this.#codec.encode(initialState(this.#options))]
    this.#known.add(frontier[0] as Uint16Array)
    let number = 0
    let depth = 0
    for (; frontier.length > 0; depth++) {
      const next: Uint16Array[] = []
      for (const encoded of frontier) {
        const violation = this.#expand(encoded, number, next)
        if (violation !== null) return this.#result(depth, violation)
        if (this.#known.size >= statesMax) return this.#result(depth, null)
        number += 1
        if (number % 50_000 === 0) this.#options.onProgress?.(this.#known.size)
      }
      frontier = next
    }
    return { ...this.#result(depth, null), complete: true }
  }

  #result(depth: number, violation: Exploration["violation"]): Exploration {
    return { states: this.#known.size, transitions: this.#transitions, depth, complete: false, progressRuns: this.#progressRuns, violation }
  }

  /** `number` is that of the state in the order in which states were found, which is the order in which they are expanded. */
  #expand(encoded: Uint16Array, number: number, next: Uint16Array[]): Exploration["violation"] {
    if (number < PROGRESS_ALWAYS || number % this.#options.progressEvery === 0) {
      const stuck = this.#progress(this.#codec.decode(encoded))
      if (stuck !== null) return { what: stuck, way: this.#way(number, null) }
    }
    const events = this.#stepper.events(this.#codec.decode(encoded))
    for (let choice = 0; choice < events.length; choice++) {
      const event = events[choice] as ModelEvent
      const state = this.#codec.decode(encoded)
      this.#transitions += 1
      const broken = this.#happen(state, event)
      if (broken !== null) return { what: broken, way: this.#way(number, event) }
      const after = this.#codec.encode(state)
      if (!this.#known.add(after)) continue
      this.#parents[this.#known.size - 1] = number
      this.#choices[this.#known.size - 1] = choice
      next.push(after)
      if (this.#known.size >= this.#options.statesMax) return null
    }
    return null
  }

  #happen(state: ModelState, event: ModelEvent): string | null {
    try {
      this.#stepper.step(state, event)
      checkInvariants(state)
      return null
    } catch (error) {
      if (error instanceof Violation) return error.message
      if (error instanceof Error) return `${error.name}: ${error.message}`
      throw error
    }
  }

  /** The way to a state, as text, one event a line. */
  #way(number: number, last: ModelEvent | null): readonly string[] {
    const choices: number[] = []
    for (let at = number; at !== 0; at = this.#parents[at] as number) choices.unshift(this.#choices[at] as number)
    const state = initialState(this.#options)
    const way: string[] = []
    for (const choice of choices) {
      const event = this.#stepper.events(state)[choice] as ModelEvent
      way.push(this.#eventText(event))
      this.#stepper.step(state, event)
    }
    return last === null ? way : [...way, this.#eventText(last)]
  }

  #eventText(event: ModelEvent): string {
    if (event.kind !== "deliver") return JSON.stringify(event)
    const { to, page, flow } = this.#codec.numbers.message(event.message)
    return `deliver to ${to}, page ${page}: ${JSON.stringify(flow)}`
  }

  /** From here on every message arrives once, in order, and timeouts fire when nothing else is left. Null: everything ends. */
  #progress(state: ModelState): string | null {
    this.#progressRuns += 1
    let waiting: number[] = []
    for (let steps = 0; steps < PROGRESS_STEPS_MAX;) {
      const message = waiting.shift()
      const events: ModelEvent[] = message === undefined ? stirrings(state) : [{ kind: "deliver", message }]
      if (events.length === 0) return null
      for (const event of events) {
        steps += 1
        const broken = this.#happen(state, event)
        if (broken !== null) return `on the way to an end: ${broken}`
        waiting = [...waiting, ...this.#stepper.said]
      }
      // A home in a new life asks again until it is told.
      if (message === undefined && state.reports.length > 0)
        waiting.push(...state.messages.filter((number) => this.#codec.numbers.message(number).flow.kind === "Up"))
    }
    return `no end in ${PROGRESS_STEPS_MAX} steps although every message arrives`
  }
}

/** What goes on without a message: CPUs that try, and timeouts. */
function stirrings(state: ModelState): ModelEvent[] {
  const moving = state.entries.flatMap(({ transaction }, page) => (transaction?.kind === "Move" ? [{ kind: "move" as const, page }] : []))
  return state.nodes
    .flatMap(({ busy, records }, node): ModelEvent[] => [
      ...(busy === null ? [] : [{ kind: "try" as const, node }]),
      ...records.flatMap((record, page) => (waitsForHome(record) ? [{ kind: "timeout" as const, node, page }] : [])),
    ])
    .concat(moving)
}
