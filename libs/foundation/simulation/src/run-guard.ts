/** Runs the parts of a step that may throw, and the checkers; whatever they throw becomes the one `SimulationFailure`. */
import { assert } from "@backplane/foundation-base/assert"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { RunRecord } from "./run-record.ts"
import { SimulationFailure, thrownText } from "./simulation-failure.ts"
import type { WorldSettings } from "./world-options.ts"

/** Lines of the trace that a failure shows. */
const LINES_SHOWN = 20

interface NamedChecker {
  readonly name: string
  readonly check: () => void
  readonly every: number
}

export class RunGuard {
  readonly #settings: WorldSettings
  readonly #record: RunRecord
  readonly #now: () => VirtualTime
  readonly #checkers: NamedChecker[] = []

  constructor(options: { readonly settings: WorldSettings; readonly record: RunRecord; readonly now: () => VirtualTime }) {
    this.#settings = options.settings
    this.#record = options.record
    this.#now = options.now
  }

  addChecker(checker: NamedChecker): void {
    assert(Number.isInteger(checker.every) && checker.every >= 1, `checker ${checker.name}: every is a whole number, at least 1`)
    this.#checkers.push({ ...checker, name: `checker ${checker.name}` })
  }

  /** The checkers whose turn it is after step number `steps`. */
  check(steps: number): void {
    for (const checker of this.#checkers) if (steps % checker.every === 0) this.run(checker.name, checker.check)
  }

  run(who: string, part: () => void): void {
    try {
      part()
    } catch (thrown) {
      throw this.wrapped(thrown, who)
    }
  }

  wrapped(thrown: unknown, who: string): SimulationFailure {
    return thrown instanceof SimulationFailure ? thrown : this.failure(thrownText(thrown), who, thrown)
  }

  failure(what: string, who: string, cause?: unknown): SimulationFailure {
    const { seed, replayCommand } = this.#settings
    return new SimulationFailure(what, { seed, at: this.#now(), who, trace: this.#record.trace.lines(LINES_SHOWN), replayCommand }, cause)
  }
}
