/**
 * Whether a history of registers can be put, register by register, into an order that respects real time and makes every answer true.
 *
 * A history is linearizable if and only if that of each register is (Herlihy and Wing's locality), so each is judged alone. The search is Wing and
 * Gong's with Lowe's memory: take an operation that nobody finished before, try it, go back where it does not fit; never try the same set of done
 * operations with the same value twice. An operation whose outcome is unknown may happen at any time after its start, or never.
 *
 * Three things make it nearly linear, and lose no order:
 * - What does not change the value and may come next, comes next: in any order that has it later it can be moved here (a read changes nothing for others).
 * - Unknown outcomes are tried last, and are not part of the set of done operations: which of them were used is kept beside it. Fewer used ones leave
 *   more open, so where a set of them led nowhere no larger one is tried; of those that do the same only the earliest is. Without that each unknown
 *   outcome could double the work.
 * - The done operations are named by how many of the earliest starts are done, and those beyond.
 *
 * Sources: Wing and Gong, "Testing and verifying concurrent objects" (1993); Lowe, "Testing for linearizability" (2017); Horn and Kroening, "Faster
 * linearizability checking via P-compositionality" (2015).
 */
import { groupBy } from "@backplane/foundation-base/group-by"
import { compareText } from "@backplane/foundation-base/json"
import type { HistoryEntry } from "./history.ts"

interface Operation {
  readonly entry: HistoryEntry
  readonly start: number
  readonly end: number
  /** Must be in the order. */
  readonly certain: boolean
}

/** Null: linearizable. Else which register is not, the first by name. */
export function linearizabilityViolation(history: readonly HistoryEntry[]): string | null {
  const registers = groupBy(
    history.filter(({ ok }) => ok !== false),
    ({ bucket, key }) => `${bucket}/${key}`,
  )
  for (const [name, own] of [...registers].sort(([a], [b]) => compareText(a, b)))
    if (!new OrderSearch(own).hasOrder())
      return `${name} is not linearizable: ${own.length} operations have no order that makes their answers true`
  return null
}

/** Something that could come next and changes the value. */
interface Choice {
  readonly certain: boolean
  /** Where it is among those of its kind. */
  readonly index: number
  /** What the register holds after it. */
  readonly value: string | null
}

/** A place in the search: what may be tried from here, and how to get back before it. */
interface Step {
  /** Names the certain operations that are done and the value. */
  readonly name: string
  readonly choices: readonly Choice[]
  /** How many of them were tried. */
  tried: number
  readonly trailBefore: number
  readonly prefixBefore: number
  /** The unknown operation that led here. */
  readonly used: number | null
}

/** Where the done operations end. */
interface Front {
  /** Certain operations that may come next: none that is open has ended before they began. */
  readonly next: readonly number[]
  /** Done, beyond the prefix: none begins after `limit`, for that only grows while operations are done. */
  readonly beyond: readonly number[]
  /** The first end of what is open: unknown operations may come next if they have begun by then. */
  readonly limit: number
}

class OrderSearch {
  /** By start. */
  readonly #certain: readonly Operation[]
  readonly #unknown: readonly Operation[]
  /** Of the unknown ones those that change this value, by start. */
  readonly #unknownFrom: ReadonlyMap<string | null, readonly number[]>
  readonly #done: Uint8Array
  readonly #used = new Set<number>()
  /** Every certain operation before it is done. */
  #prefix = 0
  /** Certain operations in the order in which they were done. */
  readonly #trail: number[] = []
  /** By a step's name: the sets of used unknown operations that led nowhere from there. */
  readonly #failed = new Map<string, (readonly number[])[]>()

  constructor(history: readonly HistoryEntry[]) {
    const operations = history
      .filter(({ op, ok }) => ok === true || op !== "get")
      .map((entry): Operation => ({
        entry,
        start: entry.start,
        end: entry.ok === true ? (entry.end ?? Infinity) : Infinity,
        certain: entry.ok === true,
      }))
      .sort((a, b) => a.start - b.start || a.end - b.end)
    this.#certain = operations.filter(({ certain }) => certain)
    this.#unknown = operations.filter(({ certain }) => !certain)
    this.#unknownFrom = groupBy(this.#unknown.keys(), (index) => this.#unknown[index]?.entry.expect ?? null)
    this.#done = new Uint8Array(this.#certain.length)
  }

  /** Depth first, with a stack of its own: a history may be longer than the call stack is deep. */
  hasOrder(): boolean {
    const steps: Step[] = [this.#enter(null)]
    for (let step = steps.at(-1); step !== undefined; step = steps.at(-1)) {
      if (this.#trail.length === this.#certain.length) return true
      const choice = step.choices[step.tried++]
      if (choice !== undefined) steps.push(this.#enter(choice))
      else this.#leave(steps.pop() as Step)
    }
    return false
  }

  #enter(choice: Choice | null): Step {
    const before = { trailBefore: this.#trail.length, prefixBefore: this.#prefix }
    const value = choice?.value ?? null
    if (choice?.certain === true) this.#do(choice.index)
    const used = choice === null || choice.certain ? null : choice.index
    if (used !== null) this.#used.add(used)
    const front = this.#doWhatChangesNothing(value)
    const name = `${this.#prefix},${front.beyond.join()}${value === null ? "-" : `=${value}`}`
    return { ...before, name, used, tried: 0, choices: this.#isKnownToFail(name) ? [] : this.#choices(front, value) }
  }

  #leave({ name, choices, used, trailBefore, prefixBefore }: Step): void {
    // Without choices it was known already, or is as quickly found again.
    if (choices.length > 0) {
      const failed = this.#failed.get(name)
      if (failed === undefined) this.#failed.set(name, [[...this.#used]])
      else failed.push([...this.#used])
    }
    for (const index of this.#trail.splice(trailBefore)) this.#done[index] = 0
    this.#prefix = prefixBefore
    if (used !== null) this.#used.delete(used)
  }

  #do(index: number): void {
    this.#done[index] = 1
    this.#trail.push(index)
    while (this.#done[this.#prefix] === 1) this.#prefix++
  }

  #doWhatChangesNothing(value: string | null): Front {
    for (;;) {
      const front = this.#front()
      const idle = front.next.filter((index) => applied(this.#certain[index] as Operation, value) === value)
      if (idle.length === 0) return front
      for (const index of idle) this.#do(index)
    }
  }

  #front(): Front {
    const open: number[] = []
    const beyond: number[] = []
    let limit = Infinity
    for (let index = this.#prefix; index < this.#certain.length; index++) {
      const { start, end } = this.#certain[index] as Operation
      if (start > limit) break
      if (this.#done[index] === 1) beyond.push(index)
      else {
        open.push(index)
        limit = Math.min(limit, end)
      }
    }
    return { beyond, limit, next: open.filter((index) => (this.#certain[index] as Operation).start <= limit) }
  }

  #choices({ next, limit }: Front, value: string | null): readonly Choice[] {
    const choices: Choice[] = []
    for (const index of next) {
      const after = applied(this.#certain[index] as Operation, value)
      if (after !== undefined) choices.push({ certain: true, index, value: after })
    }
    const offered = new Set<string | null>()
    for (const index of this.#unknownFrom.get(value) ?? []) {
      const operation = this.#unknown[index] as Operation
      if (operation.start > limit) break
      const after = operation.entry.value
      // Of those that do the same the earliest is as good as any.
      if (after === value || this.#used.has(index) || offered.has(after)) continue
      offered.add(after)
      choices.push({ certain: false, index, value: after })
    }
    return choices
  }

  #isKnownToFail(name: string): boolean {
    return this.#failed.get(name)?.some((used) => used.every((index) => this.#used.has(index))) === true
  }
}

/** The register after the operation; undefined where its answer would be wrong. */
function applied({ entry, certain }: Operation, value: string | null): string | null | undefined {
  if (entry.op === "get") return (entry.result[0] ?? null) === value ? value : undefined
  const swaps = entry.expect === value
  if (certain && swaps !== entry.swapped) return undefined
  return swaps ? entry.value : value
}
