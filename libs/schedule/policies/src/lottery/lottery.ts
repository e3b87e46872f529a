/** Lottery scheduling with compensation tickets. See README.md beside this file. */
import { Random } from "@backplane/foundation-base/random"
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, QueuePolicyKind } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"
import { TaskTree } from "../structures/task-tree.ts"
import { weightOf } from "../weights.ts"

/** Tickets are worth at most so many times their number to a task that stopped early. Keeps the sum within 32 bits. */
const COMPENSATION_MAX = 16
/** Draws that hit a task which may not run here, before the draw is made among the others only. Either way the odds are exact. */
const REDRAWS_MAX = 8

interface LotteryState {
  /** Until its next win; 1: none. */
  compensation: number
}

type LotteryAccount = Account<LotteryState>

class LotteryDiscipline implements Discipline<LotteryState> {
  readonly isWeighted = true
  readonly #sliceTicks: number
  readonly #random: Random
  readonly #waiting = new TaskTree<LotteryAccount>()

  constructor({ seed, queue, sliceTicks }: QueueSettings) {
    this.#sliceTicks = sliceTicks
    this.#random = new Random(`${seed}/${queue}/lottery`)
  }

  open(): LotteryState {
    return { compensation: 1 }
  }

  insert(account: LotteryAccount): void {
    const tickets = Math.floor(weightOf(account.view) * account.state.compensation)
    this.#waiting.insert({ item: account, key: 0, weight: tickets, rank: 0 })
  }

  delete(account: LotteryAccount): void {
    this.#waiting.remove(account)
  }

  choose(cpu: number): LotteryAccount | undefined {
    if (this.#waiting.length === 0) return undefined
    for (let draw = 0; draw < REDRAWS_MAX; draw++) {
      const winner = this.#waiting.atWeight(this.#random.below(this.#waiting.weightSum))
      if (winner !== undefined && mayRun(winner.view, cpu)) return winner
    }
    return this.#drawAmong(this.#waiting.items().filter((account) => mayRun(account.view, cpu)))
  }

  #drawAmong(accounts: readonly LotteryAccount[]): LotteryAccount | undefined {
    const tickets = accounts.map((account) => this.#waiting.entry(account)?.weight ?? 0)
    if (accounts.length === 0) return undefined
    let left = this.#random.below(tickets.reduce((sum, some) => sum + some, 0))
    return accounts.find((_, index) => (left -= tickets[index] ?? 0) < 0)
  }

  give(thiefCpu: number): LotteryAccount | undefined {
    return this.#waiting.findLast((account) => mayRun(account.view, thiefCpu))
  }

  /** Who used a fraction f of its slice has tickets worth 1/f times as much until it wins again. */
  charge({ state }: LotteryAccount, ranTicks: number, why: ChargeReason): void {
    const stoppedEarly = why !== "slice" && ranTicks > 0 && ranTicks < this.#sliceTicks
    state.compensation = stoppedEarly ? Math.min(COMPENSATION_MAX, this.#sliceTicks / ranTicks) : 1
  }

  sliceTicks(): number {
    return this.#sliceTicks
  }
}

export const lottery: QueuePolicyKind = {
  name: "lottery",
  summary: "one queue; the winner is drawn, odds by weight",
  layout: "all",
  slices: "own",
  steal: "none",
  create: (settings) => new PolicyQueue(new LotteryDiscipline(settings)),
}
