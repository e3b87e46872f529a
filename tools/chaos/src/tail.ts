/** Why the slowest operations were slow, as far as a client can tell: what was being done to the store, and how often the operation had to leave again. */
import { groupBy } from "@backplane/foundation-base/group-by"

/** An operation that was answered. Times in milliseconds since the run began. */
export interface Took {
  readonly what: "register" | "key"
  readonly start: number
  readonly milliseconds: number
  /** Sent to a gateway so often. */
  readonly tries: number
  /** Sent by the last gateway to replicas so often. */
  readonly attempts: number
}

/** Something that was done to a process, and when it was whole again. */
export interface Blow {
  readonly fault: string
  readonly at: number
  readonly over: number
}

export interface TailPart {
  readonly reason: string
  readonly operations: number
  readonly longest_ms: number
}

/** What is answered within this of a kill waited for those who had to find out. */
const FINDING_OUT_MILLISECONDS = 150
/** A process that is ready again runs slow code for a while. */
const WARMING_MILLISECONDS = 1_000

/** The slowest `share` of the operations by reason, most first. */
export function tailOf(took: readonly Took[], blows: readonly Blow[], share: number): readonly TailPart[] {
  const slowest = took.toSorted((a, b) => b.milliseconds - a.milliseconds).slice(0, Math.ceil(took.length * share))
  const parts = groupBy(slowest, (one) => `${one.what}, ${waysOf(one)}, ${phaseOf(one, blows)}`)
  return [...parts]
    .map(([reason, own]) => ({ reason, operations: own.length, longest_ms: Math.round(Math.max(...own.map((one) => one.milliseconds))) }))
    .sort((a, b) => b.operations - a.operations || b.longest_ms - a.longest_ms)
}

function waysOf({ tries, attempts }: Took): string {
  if (tries > 1) return "sent to a second gateway"
  return attempts > 1 ? "sent to a second replica" : "sent once"
}

function phaseOf({ start, milliseconds }: Took, blows: readonly Blow[]): string {
  const end = start + milliseconds
  const blow = blows.findLast(({ at }) => at <= end)
  if (blow === undefined || start > blow.over + WARMING_MILLISECONDS) return "nothing done to the store"
  if (start > blow.over) return `after ${blow.fault}`
  return end - blow.at <= FINDING_OUT_MILLISECONDS || start <= blow.at
    ? `across the moment of ${blow.fault}`
    : `until ${blow.fault} is over`
}
