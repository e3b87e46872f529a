/** Members of a gang run together or not at all. See README.md beside this file. */
import type { Account, Discipline } from "../discipline.ts"
import { mayRun } from "../policy.ts"
import { PolicyQueue } from "../policy-queue.ts"
import type { ChargeReason, EnqueueReason, QueuePolicyKind } from "../queue-policy.ts"
import type { QueueSettings } from "../queue-settings.ts"
import { TaskList } from "../structures/task-list.ts"

/** A gang that has waited so long for enough CPUs has nothing begun before it any more. */
const GANG_PATIENCE_SLICES = 4

interface GangState {
  waitingSince: number
  isAsleep: boolean
}

type GangAccount = Account<GangState>

interface Gang {
  readonly members: Set<GangAccount>
  /** Members that have been here, or are. */
  seen: number
  readonly size: number
}

class GangDiscipline implements Discipline<GangState> {
  readonly #settings: QueueSettings
  readonly #list = new TaskList<GangAccount>()
  readonly #gangs = new Map<string, Gang>()
  #plan = new Map<number, GangAccount>()

  constructor(settings: QueueSettings) {
    this.#settings = settings
  }

  open(_view: GangAccount["view"], now: number): GangState {
    return { waitingSince: now, isAsleep: false }
  }

  insert(account: GangAccount, now: number, why: EnqueueReason): void {
    this.#enlist(account)
    account.state.isAsleep = false
    if (why === "refused") return this.#list.pushFront(account)
    account.state.waitingSince = now
    this.#list.pushBack(account)
  }

  #enlist(account: GangAccount): void {
    const { gang } = account.view
    if (gang === undefined || gang.size > this.#settings.cpus.length) return // more than there are CPUs: each for itself
    const known = this.#gangs.get(gang.name) ?? { members: new Set(), seen: 0, size: gang.size }
    this.#gangs.set(gang.name, known)
    if (known.members.has(account)) return
    known.members.add(account)
    known.seen++
  }

  delete(account: GangAccount): void {
    this.#list.remove(account)
  }

  close(account: GangAccount): void {
    const name = account.view.gang?.name
    const gang = name === undefined ? undefined : this.#gangs.get(name)
    gang?.members.delete(account)
    if (name !== undefined && gang?.members.size === 0 && gang.seen >= gang.size) this.#gangs.delete(name)
  }

  /** Oldest first; a gang is planned when all of it that is awake waits and there are CPUs for all. */
  offer(idleCpus: readonly number[], now: number): void {
    this.#plan = new Map()
    const settled = new Set<GangAccount>()
    for (const account of this.#list.items()) {
      if (settled.has(account)) continue
      const unit = this.#unitOf(account, now)
      for (const member of unit) settled.add(member)
      const free = idleCpus.filter((cpu) => !this.#plan.has(cpu))
      const places = unit.length === 0 ? null : placesFor(unit, free)
      if (places !== null) for (const [cpu, member] of places) this.#plan.set(cpu, member)
      else if (unit.length > 1 && free.length === this.#settings.cpus.length) this.#placeSingly(unit, free)
      else if (unit.length > 1 && this.#isOutOfPatience(account, now)) return
    }
  }

  /** All CPUs are idle and it does not fit: its members' affinities exclude each other. Then each runs for itself. */
  #placeSingly(unit: readonly GangAccount[], free: readonly number[]): void {
    for (const member of unit) {
      const cpu = free.find((one) => !this.#plan.has(one) && mayRun(member.view, one))
      if (cpu !== undefined) this.#plan.set(cpu, member)
    }
  }

  /** What is to start with this task: nothing, while a member is yet to come or still runs. */
  #unitOf(account: GangAccount, now: number): readonly GangAccount[] {
    const gang = account.view.gang === undefined ? undefined : this.#gangs.get(account.view.gang.name)
    if (gang === undefined) return [account]
    const awake = [...gang.members].filter(({ state }) => !state.isAsleep)
    const isComplete = gang.seen >= gang.size || this.#isOutOfPatience(account, now)
    return isComplete && awake.every(({ place }) => place === "waiting") ? awake : []
  }

  #isOutOfPatience({ state }: GangAccount, now: number): boolean {
    return now - state.waitingSince >= GANG_PATIENCE_SLICES * this.#settings.sliceTicks
  }

  choose(cpu: number): GangAccount | undefined {
    const planned = this.#plan.get(cpu)
    this.#plan.delete(cpu)
    return planned?.place === "waiting" ? planned : undefined
  }

  /** The machine is to put all of them on, or none. */
  groupOf({ view }: GangAccount): string | undefined {
    return view.gang !== undefined && this.#gangs.has(view.gang.name) ? view.gang.name : undefined
  }

  /** Only those without a gang: a gang is not torn apart. */
  give(thiefCpu: number): GangAccount | undefined {
    return this.#list.find(({ view }) => view.gang === undefined && mayRun(view, thiefCpu))
  }

  charge(account: GangAccount, _ranTicks: number, why: ChargeReason): void {
    account.state.isAsleep = why === "blocked"
  }

  sliceTicks(): number {
    return this.#settings.sliceTicks
  }
}

/** A CPU for each, those with the fewest choices first; null where there are not enough. */
function placesFor(unit: readonly GangAccount[], free: readonly number[]): ReadonlyMap<number, GangAccount> | null {
  const places = new Map<number, GangAccount>()
  const choices = unit.map((member) => ({ member, cpus: free.filter((cpu) => mayRun(member.view, cpu)) }))
  for (const { member, cpus } of choices.sort((a, b) => a.cpus.length - b.cpus.length || a.member.since - b.member.since)) {
    const cpu = cpus.find((one) => !places.has(one))
    if (cpu === undefined) return null
    places.set(cpu, member)
  }
  return places
}

export const gang: QueuePolicyKind = {
  name: "gang",
  summary: "one queue; members of a gang run together or not at all",
  layout: "all",
  slices: "aligned",
  steal: "none",
  leavesIdle: "a gang needs enough CPUs at once: some wait idle for the others to become so",
  create: (settings) => new PolicyQueue(new GangDiscipline(settings)),
}
