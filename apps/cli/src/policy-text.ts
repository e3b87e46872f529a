/** Who schedules a machine, in words: a policy that was ejected does not, whatever was asked for, nor does one whose service was replaced. */
import { SECOND_SEAT } from "@backplane/scenario-machine/topology"

/** Of the hypervisor's `inspect`. */
export interface Scheduled {
  /** All of them, with their CPUs where they are several. */
  readonly policy?: string
  /** Nodes schedule by themselves … */
  readonly fallback?: boolean
  /** … as somebody asked for, and not because the policy was ejected. */
  readonly fallbackAsked?: boolean
  readonly seats?: readonly { readonly seat: string }[]
}

/** `asked`: the machine's policy where the hypervisor says nothing. `replacement`: the program that plays our policies (`--replace`), or null. */
export function policyText(scheduled: Scheduled, asked: string, replacement: string | null): string {
  const { policy = asked, fallback = false, fallbackAsked = false, seats = [{ seat: "" }] } = scheduled
  if (fallback && fallbackAsked) return "none: nodes schedule by themselves, as was asked for; `backplane sched swap` takes a policy again"
  if (fallback) return `none: ${policy} was ejected and nodes schedule by themselves; \`backplane sched exits\` says why`
  // A service that has attached has a seat of its own name: a process that was replaced does not play it.
  const isOurs = seats.some(({ seat }) => seat === "" || seat === SECOND_SEAT)
  return replacement !== null && isOurs ? `${policy} by name, played by \`${replacement}\` (--replace)` : policy
}
