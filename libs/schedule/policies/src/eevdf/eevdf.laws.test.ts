import fc from "fast-check"
import { expect, it } from "vitest"
import { Random } from "@backplane/foundation-base/random"
import type { Account } from "../discipline.ts"
import { drawShares } from "../suite/drawn-shares.ts"
import { gainByComingAndGoing, lagBeyondSlice } from "../suite/share-laws.ts"
import { viewOf } from "../suite/views.ts"
import { VIRTUAL_TICK } from "../weights.ts"
import { AverageClock } from "./average-clock.ts"
import { eevdf, EevdfDiscipline, type EevdfState } from "./eevdf.ts"

const RUNS = { numRuns: Number(process.env["SCHEDULE_LAW_RUNS"] ?? 60) }

it("−1 slice < lag < +1 slice at every tick, against a fluid CPU, while nobody comes or goes", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(lagBeyondSlice(eevdf, new Random(seed), 1000)).toBeNull()
    }),
    RUNS,
  )
})

it("coming and going wins nothing", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(gainByComingAndGoing(eevdf, new Random(seed), 1000)).toBeNull()
    }),
    RUNS,
  )
})

const SLICE_TICKS = 10

/** One discipline with its accounts, to look at lags: ticks that a task is owed. */
function bench(weights: readonly number[]): {
  lag: (index: number) => number
  accounts: readonly Account<EevdfState>[]
  discipline: EevdfDiscipline
} {
  const discipline = new EevdfDiscipline(SLICE_TICKS)
  const accounts = weights.map((weight, index): Account<EevdfState> => ({
    view: viewOf(`t${index}`, { weight }),
    place: "between",
    since: index,
    state: discipline.open(),
    run: null,
  }))
  for (const account of accounts) discipline.insert(account)
  const lag = (index: number): number => {
    const competing = accounts.filter(({ state }) => state.load > 0)
    const mean =
      competing.reduce((sum, { state }) => sum + state.at * state.load, 0) / competing.reduce((sum, { state }) => sum + state.load, 0)
    const { at, load } = (accounts[index] as Account<EevdfState>).state
    return ((mean - at) * load) / (VIRTUAL_TICK * 100)
  }
  return { lag, accounts, discipline }
}

it("a task that sleeps comes back with the lag that it left with, above 0 or below", () => {
  fc.assert(
    fc.property(fc.nat(), fc.boolean(), (seed, isOwed) => {
      const { weights } = drawShares(new Random(seed))
      const { lag, accounts, discipline } = bench(weights)
      const runner = discipline.choose(0) as Account<EevdfState>
      discipline.delete(runner)
      discipline.charge(runner, SLICE_TICKS, "slice")
      discipline.insert(runner)
      const index = accounts.findIndex((account) => (account === runner) !== isOwed)
      const sleeper = accounts[index] as Account<EevdfState>
      const before = lag(index)
      expect(isOwed ? before > 0 : before < 0).toBe(true)
      discipline.delete(sleeper)
      discipline.charge(sleeper, 0, "blocked")
      expect(sleeper.state.load).toBe(0)
      discipline.insert(sleeper)
      expect(Math.abs(lag(index) - before)).toBeLessThan(1e-2)
    }),
    RUNS,
  )
})

it("a sleeper saves up a slice at most", () => {
  const { lag, accounts, discipline } = bench([100, 100])
  const [hog, sleeper] = accounts as [Account<EevdfState>, Account<EevdfState>]
  for (let slice = 0; slice < 20; slice++) {
    discipline.delete(hog)
    discipline.charge(hog, SLICE_TICKS, "slice")
    discipline.insert(hog)
  }
  discipline.delete(sleeper)
  discipline.charge(sleeper, 0, "blocked")
  discipline.insert(sleeper)
  expect(lag(1)).toBeCloseTo(SLICE_TICKS, 1)
})

it("the clock is the weighted mean of those that compete, whoever joins, moves and leaves", () => {
  const step = fc.record({
    what: fc.constantFrom("join", "move", "leave"),
    weight: fc.integer({ min: 1, max: 1000 }),
    at: fc.nat(100_000),
    pick: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const clock = new AverageClock()
      const naive: { weight: number; at: number }[] = []
      for (const { what, weight, at, pick } of steps) {
        const one = naive[pick % Math.max(1, naive.length)]
        if (what === "join" || one === undefined) {
          clock.join(weight, at)
          naive.push({ weight, at })
        } else if (what === "move") {
          clock.move(one.weight, at)
          one.at += at
        } else {
          clock.leave(one.weight, one.at)
          naive.splice(naive.indexOf(one), 1)
        }
        const load = naive.reduce((sum, other) => sum + other.weight, 0)
        if (load > 0) expect(clock.now).toBe(Math.floor(naive.reduce((sum, other) => sum + other.weight * other.at, 0) / load))
      }
    }),
    RUNS,
  )
})
