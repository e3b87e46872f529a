/** What is put to the workloads: a policy with its settings, or the machine without any scheduler. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { actorKind } from "@backplane/foundation-actor/actor-id"
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { OSTEP_POLICIES } from "@backplane/scenario-machine/policy-layouts"
import { machineActor, type ActorMaker } from "../machine-actors.ts"
import { FlagError } from "../whole-flag.ts"

export interface Contender {
  readonly label: string
  readonly policy: PolicyName
  /** Null: what the workload says. */
  readonly peekTicks: number | null
  /** In the OSTEP model itself, with its quirks. */
  readonly isOstep: boolean
  /** No scheduler says a word: what the nodes do by themselves. */
  readonly isSilent: boolean
}

/** The baseline of every table: nodes whose schedulers are silent fall back to what they have built in. */
export const FALLBACK: Contender = { label: "fallback", policy: "sqms", peekTicks: null, isOstep: false, isSilent: true }

/** `mqms-steal`, `mqms-steal@5` (looks every 5 ticks), `sqms/ostep` (in the OSTEP model), `mqms-steal@5/ostep`, `fallback`. */
export function contenderOf(text: string): Contender {
  if (text === FALLBACK.label) return FALLBACK
  const [, name = "", peek, model] = /^([a-z0-9-]+?)(?:@(\d+))?(\/ostep)?$/.exec(text) ?? []
  const policy = POLICY_NAMES.find((one) => one === name)
  if (policy === undefined)
    throw new FlagError(`--policies: there is no policy ${text}; there are ${[...POLICY_NAMES, FALLBACK.label].join(", ")}`)
  if (model !== undefined && !OSTEP_POLICIES.includes(policy))
    throw new FlagError(`--policies: ${policy} is not part of the OSTEP model; leave out /ostep`)
  return { label: text, policy, peekTicks: peek === undefined ? null : Number(peek), isOstep: model !== undefined, isSilent: false }
}

/** Actors of the machine, with schedulers that never answer where the contender has none. */
export function actorsFor({ isSilent }: Contender, make: ActorMaker = machineActor): ActorMaker {
  if (!isSilent) return make
  return (spec, id, incarnation) => (actorKind(id) === "scheduler" ? silent() : make(spec, id, incarnation))
}

function silent(): Machine {
  return { start: () => [], step: () => [] }
}
