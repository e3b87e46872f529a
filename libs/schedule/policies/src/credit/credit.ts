/** Xen's credit scheduler, with exact burning. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"
import { LevelLists } from "../structures/level-lists.ts"
import { weightOf } from "../weights.ts"

/** Credits that a tick on a CPU costs. Many, so that shares of small weights do not round to nothing. */
const CREDITS_PER_TICK = 65_536

const BOOST = 0
const UNDER = 1
const OVER = 2

export interface CreditState {
  /** At least 0: under, it has not had its share; below: over. */
  credits: number
  isBoosted: boolean
  /** Earns. Stops when it sleeps on a full purse. */
  isActive: boolean
  /** The list it waits in. */
  level: number
}

type CreditAccount = Account<CreditState>

class CreditDiscipline implements Discipline<CreditState> {
  readonly #sliceTicks: number
  readonly #cpus: number
  readonly #lists = new LevelLists<CreditAccount>(OVER + 1)
  /** Tick up to which credits have been given out. */
  #givenTo = 0

  constructor({ sliceTicks, cpus }: QueueSettings) {
    this.#sliceTicks = sliceTicks
    this.#cpus = cpus.length
  }

  open(): CreditState {
    return { credits: 0, isBoosted: false, isActive: true, level: UNDER }
  }

  /** Who wakes with credit left is served before the others: it answers a request, and will not run long. */
  insert(account: CreditAccount, _now: number, why: EnqueueReason): void {
    const { state } = account
    state.isActive = true
    if (why === "wake" && state.credits > 0) state.isBoosted = true
    state.level = levelOf(state)
    if (why === "refused") this.#lists.pushFront(state.level, account)
    else this.#lists.pushBack(state.level, account)
  }

  /** As if it woke: before the others of its kind, if it has credit left; the boost is over with the run. Who is over waits for credit. */
  favour(account: CreditAccount): void {
    const { state } = account
    if (state.level !== UNDER) return
    this.#lists.remove(state.level, account)
    state.isBoosted = true
    state.level = BOOST
    this.#lists.pushBack(BOOST, account)
  }

  delete(account: CreditAccount): void {
    this.#lists.remove(account.state.level, account)
  }

  choose(cpu: number): CreditAccount | undefined {
    return this.#lists.find(({ view, state }) => state.level !== OVER && mayRun(view, cpu)) ?? this.#leastOver(cpu)
  }

  /**
   * With all over, whose weight makes least of it; of equals who has waited longest. In turn would be by heads: where one is due a whole CPU
   * and misses some of it, it cannot catch up, and the others are over for good.
   */
  #leastOver(cpu: number): CreditAccount | undefined {
    let best: CreditAccount | undefined
    for (const account of this.#lists.items())
      if (mayRun(account.view, cpu) && (best === undefined || debtOf(account) < debtOf(best))) best = account
    return best
  }

  give(thiefCpu: number): CreditAccount | undefined {
    return this.choose(thiefCpu)
  }

  /** By the time that it ran, not by who is seen running at the tick: a thief who leaves just before the tick would never pay. */
  charge({ state }: CreditAccount, ranTicks: number, _why: ChargeReason): void {
    state.credits -= ranTicks * CREDITS_PER_TICK
    state.isBoosted = false
  }

  /** Only a boost cuts a slice short. */
  preemptGain(waiting: CreditAccount, running: CreditAccount): number {
    return waiting.state.isBoosted ? levelOf(running.state) - levelOf(waiting.state) : 0
  }

  sliceTicks(): number {
    return this.#sliceTicks
  }

  /** Credits for the time of all CPUs are given out as it passes, by weight: at every choice it is known who has had his share. */
  advance(now: number, accounts: ReadonlyMap<string, CreditAccount>): void {
    const passed = Math.max(0, now - this.#givenTo)
    this.#givenTo = now
    const active = [...accounts.values()].filter(({ state }) => state.isActive)
    const shares = cpuShares(
      active.map(({ view }) => weightOf(view)),
      this.#cpus,
    )
    const purse = this.#sliceTicks * CREDITS_PER_TICK
    for (const [index, { state, place }] of active.entries()) {
      state.credits += Math.floor(passed * CREDITS_PER_TICK * (shares[index] ?? 0))
      // Only who sleeps loses what does not fit into the purse: who waits is owed it.
      if (place !== "between" || state.credits < purse) continue
      state.credits = purse
      state.isActive = false
    }
    this.#reorder()
  }

  /** Those whose priority changed go to the tail of their new list, in the order in which they stood. */
  #reorder(): void {
    for (const account of this.#lists.items()) {
      const level = levelOf(account.state)
      if (level === account.state.level) continue
      this.#lists.remove(account.state.level, account)
      account.state.level = level
      this.#lists.pushBack(level, account)
    }
  }
}

function debtOf({ view, state }: CreditAccount): number {
  return -state.credits / weightOf(view)
}

/** CPUs that are due to each weight: in proportion, but none more than one, which is all that a task can use. */
export function cpuShares(weights: readonly number[], cpus: number): readonly number[] {
  const heaviest = [...weights.keys()].sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b)
  const shares = weights.map(() => 0)
  let cpusLeft = cpus
  let weightLeft = weights.reduce((sum, weight) => sum + weight, 0)
  for (const index of heaviest) {
    const weight = weights[index] ?? 0
    const share = weightLeft === 0 ? 0 : Math.min(1, (cpusLeft * weight) / weightLeft)
    shares[index] = share
    cpusLeft -= share
    weightLeft -= weight
  }
  return shares
}

function levelOf({ isBoosted, credits }: CreditState): number {
  return isBoosted ? BOOST : credits >= 0 ? UNDER : OVER
}

export const credit: QueuePolicyKind = {
  name: "credit",
  summary: "one queue; credits by weight, spent by running, a boost on waking",
  layout: "all",
  slices: "own",
  steal: "none",
  create: (settings) => new PolicyQueue(new CreditDiscipline(settings)),
}
