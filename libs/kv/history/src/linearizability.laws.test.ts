/** The judge of registers against a stupid one that tries every order, and on histories as long as a night of chaos makes them. */
import fc from "fast-check"
import { Random } from "@backplane/foundation-base/random"
import { describe, expect, it } from "vitest"
import type { HistoryEntry } from "./history.ts"
import { linearizabilityViolation } from "./linearizability.ts"

type Register = string | null
type Short = Pick<HistoryEntry, "op" | "start" | "end" | "ok" | "expect" | "value" | "result" | "swapped">

const whole = (short: Short): HistoryEntry => ({ client: "c", bucket: "b", key: "k", saw: [], maybeTwice: false, ...short })

/** What a register does, told by an oracle that knows nothing of the judge's rules. Null: the answer cannot have been given. */
function heard(
  register: Register,
  { op, expect: expected, value, result, swapped, ok }: HistoryEntry,
): { readonly after: Register } | null {
  if (op === "get") return (result[0] ?? null) === register ? { after: register } : null
  const swaps = register === expected
  return ok === null || swaps === swapped ? { after: swaps ? value : register } : null
}

/** Every order of every choice of the unknown ones. */
function hasOrderByBruteForce(open: readonly HistoryEntry[], register: Register): boolean {
  if (open.every(({ ok }) => ok === null)) return true
  return open.some((entry) => {
    const others = open.filter((other) => other !== entry)
    if (others.some(({ ok, end }) => ok === true && (end ?? Infinity) < entry.start)) return false
    const answer = heard(register, entry)
    return answer !== null && hasOrderByBruteForce(others, answer.after)
  })
}

const registers = fc.constantFrom<Register>(null, "a", "b", "c")
const drawn: fc.Arbitrary<Short> = fc
  .record({
    op: fc.constantFrom("get" as const, "cas" as const, "cas" as const),
    start: fc.nat(12),
    took: fc.nat(8),
    known: fc.integer({ min: 0, max: 3 }),
    expect: registers,
    value: registers,
    read: registers,
    swapped: fc.boolean(),
  })
  .map(({ op, start, took, known, expect: expected, value, read, swapped }) => {
    const isKnown = op === "get" || known > 0
    return {
      ...{ op, start, end: isKnown ? start + took : null, ok: isKnown ? true : null },
      ...{ expect: op === "cas" ? expected : null, value: op === "cas" ? value : null },
      ...{ result: op === "get" && read !== null ? [read] : [], swapped: op === "cas" && isKnown ? swapped : null },
    }
  })

interface Made {
  readonly operations: number
  readonly clients: number
  /** Share of swaps whose answer is lost. */
  readonly unknown: number
}

/** A history of a real register: each operation happens at a drawn moment between its start and its end. */
function made(seed: string, { operations, clients, unknown }: Made): HistoryEntry[] {
  const random = new Random(seed)
  const free = new Array<number>(clients).fill(0)
  const planned = Array.from({ length: operations }, (_, count) => {
    const client = count % clients
    const start = (free[client] as number) + random.between(0, 20)
    const at = start + random.between(0, 30)
    const end = at + random.between(0, 30)
    free[client] = end + 1
    return { client, start, at, end, count }
  })
  let register: Register = null
  const seen = new Map<number, Register>()
  return planned
    .sort((a, b) => a.at - b.at || a.count - b.count)
    .map(({ client, start, end, count }) => {
      if (random.chance(0.45)) {
        seen.set(client, register)
        return whole({
          op: "get",
          start,
          end,
          ok: true,
          expect: null,
          value: null,
          result: register === null ? [] : [register],
          swapped: null,
        })
      }
      const expected = seen.get(client) ?? null
      const isLost = random.chance(unknown)
      const swapped = expected === register
      const value = `v${count}`
      // Half of what nobody heard of has not happened either.
      if (swapped && (!isLost || random.chance(0.5))) register = value
      if (!isLost) seen.set(client, register)
      const known = isLost ? { end: null, ok: null, swapped: null } : { end, ok: true, swapped }
      return whole({ op: "cas", start, expect: expected, value, result: [], ...known })
    })
}

/** A read in the middle that hears what was there half the history before. */
function stale(history: readonly HistoryEntry[]): HistoryEntry[] {
  const values = history.flatMap(({ op, result }) => (op === "get" && result.length > 0 ? result : []))
  const old = values[Math.floor(values.length / 4)] ?? null
  const middle = history.findIndex(({ op }, index) => op === "get" && index > (history.length * 3) / 4)
  return history.map((entry, index) => (index === middle ? { ...entry, result: old === null ? [] : [old] } : entry))
}

describe("laws of the linearizability checker", () => {
  it("says of short histories what trying every order says", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(drawn, { minLength: 1, maxLength: 6 }), (shorts) => {
        const history = shorts.map(whole)
        expect(linearizabilityViolation(history) === null).toBe(hasOrderByBruteForce(history, null))
      }),
      { numRuns: 3_000 },
    )
  })

  it("finds the order of what a register really did, and not of a stale read in it", { timeout: 60_000 }, () => {
    for (let seed = 0; seed < 50; seed++) {
      const history = made(`short ${seed}`, { operations: 300, clients: 24, unknown: 0.05 })
      expect(linearizabilityViolation(history), `seed ${seed}`).toBeNull()
      expect(linearizabilityViolation(stale(history)), `seed ${seed}`).not.toBeNull()
    }
  })

  it.each([0, 0.01, 0.2])(
    "judges one register with 40,000 operations of 24 clients, %d of the swaps unknown",
    { timeout: 60_000 },
    (unknown) => {
      const history = made("long", { operations: 40_000, clients: 24, unknown })
      expect(linearizabilityViolation(history)).toBeNull()
      expect(linearizabilityViolation(stale(history))).not.toBeNull()
    },
  )

  it("needs no power of two for unknown outcomes that undo each other", () => {
    const swap = (start: number, expected: Register, value: Register): HistoryEntry =>
      whole({ op: "cas", start, end: null, ok: null, expect: expected, value, result: [], swapped: null })
    const read = (start: number, value: Register): HistoryEntry =>
      whole({ op: "get", start, end: start + 1, ok: true, expect: null, value: null, result: value === null ? [] : [value], swapped: null })
    const lost = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? swap(0, null, "a") : swap(0, "a", null)))
    const reads = Array.from({ length: 40 }, (_, index) => read(2 + 2 * index, index % 2 === 0 ? "a" : null))
    expect(linearizabilityViolation([...lost, ...reads])).toBeNull()
    expect(linearizabilityViolation([...lost, ...reads, read(100, "never")])).not.toBeNull()
  })
})
