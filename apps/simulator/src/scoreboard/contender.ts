/** What is put to the workloads: a policy with its settings, one of the user's own, or the machine without any scheduler. */
import type { Machine } from "@backplane/foundation-actor/machine"
import { actorIndex, actorKind } from "@backplane/foundation-actor/actor-id"
import { POLICY_NAMES, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { OSTEP_POLICIES, type QueueLayout } from "@backplane/scenario-machine/policy-layouts"
import { QUEUE_POLICY } from "@backplane/schedule-policies/queue-policies"
import type { QueuePolicyKind } from "@backplane/schedule-policies/queue-policy"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
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
  /** Decides in every queue; `policy` only says which queues there are. */
  readonly own?: QueuePolicyKind
}

/** Stands in the scenario for a policy of one's own with such queues. */
const STAND_IN: Readonly<Record<QueueLayout, PolicyName>> = { all: "rr", cpu: "mqms" }

/** The baseline of every table: nodes whose schedulers are silent fall back to what they have built in. */
export const FALLBACK: Contender = { label: "fallback", policy: "sqms", peekTicks: null, isOstep: false, isSilent: true }

const STEALING = POLICY_NAMES.filter((name) => QUEUE_POLICY[name].steal !== "none")

/** `mqms-steal`, `mqms-steal@5` (looks every 5 ticks), `sqms/ostep` (in the OSTEP model), `mqms-steal@5/ostep`, `fallback`. */
export function contenderOf(text: string): Contender {
  if (text === FALLBACK.label) return FALLBACK
  const [, name = "", peek, model] = /^([a-z0-9-]+?)(?:@(\d+))?(\/ostep)?$/.exec(text) ?? []
  const policy = POLICY_NAMES.find((one) => one === name)
  if (policy === undefined)
    throw new FlagError(
      `--policies: there is no policy ${text}; there are ${[...POLICY_NAMES, FALLBACK.label].join(", ")}, or the file of your own, as ./my-policy.ts`,
    )
  if (peek !== undefined && (QUEUE_POLICY[policy].steal === "none" || Number(peek) < 1))
    throw new FlagError(
      `--policies: ${text}: only policies that steal (${STEALING.join(", ")}) look elsewhere every so many ticks (from 1); leave out @${peek}`,
    )
  if (model !== undefined && !OSTEP_POLICIES.includes(policy))
    throw new FlagError(`--policies: ${policy} is not part of the OSTEP model; leave out /ostep`)
  return { label: text, policy, peekTicks: peek === undefined ? null : Number(peek), isOstep: model !== undefined, isSilent: false }
}

/** A policy of one's own, under its own name unless one of ours has it. */
export function contenderOfOwn(own: QueuePolicyKind, path: string): Contender {
  const isTaken = [...POLICY_NAMES, FALLBACK.label].some((name) => name === own.name)
  return { label: isTaken ? path : own.name, policy: STAND_IN[own.layout], peekTicks: null, isOstep: false, isSilent: false, own }
}

/** A service on a live machine: it takes over from what stands in for it as soon as the machine is there. */
export function contenderOfService(name: string, layout: QueueLayout): Contender {
  return { label: name, policy: STAND_IN[layout], peekTicks: null, isOstep: false, isSilent: false }
}

/** Actors of the machine, with the contender's own schedulers, or such that never answer where it has none. */
export function actorsFor({ isSilent, own }: Contender, make: ActorMaker = machineActor): ActorMaker {
  const scheduler: ActorMaker | null = isSilent ? silent : own === undefined ? null : ownScheduler(own)
  if (scheduler === null) return make
  return (spec, id, incarnation) => (actorKind(id) === "scheduler" ? scheduler : make)(spec, id, incarnation)
}

function ownScheduler(own: QueuePolicyKind): ActorMaker {
  return (spec, id, generation) => new SchedulerMachine({ spec, queue: actorIndex(id), generation, own }) as Machine
}

function silent(): Machine {
  return { start: () => [], step: () => [] }
}
