/**
 * C12: a commit has one answer. Stands in front of a node, changes nothing, and throws where a copy of a commit is answered otherwise
 * than the first, which a node that handles a commit twice sooner or later does.
 */
import type { Body, Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import { NodeMachine } from "@backplane/compute-node/node"

export function withRepeatCheck(machine: Machine): Machine {
  if (!(machine instanceof NodeMachine)) return machine
  const answers = new Map<string, string>()
  const step: Machine["step"] = machine.step.bind(machine)
  const checked: Machine["step"] = (now, input) => {
    const effects = step(now, input)
    const commit = commitOf(input)
    const answer = commit === null ? null : answerOf(effects)
    if (commit === null || answer === null) return effects
    const before = answers.get(commit) ?? answer
    if (before !== answer) throw new Error(`the commit ${commit} is answered ${before} first and then ${answer}`)
    answers.set(commit, answer)
    return effects
  }
  return Object.assign(machine, { step: checked })
}

interface CommitBody extends Body {
  readonly queue: string
  readonly generation: number
  readonly commit: number
  readonly decisions: readonly unknown[]
}

/** What tells commits apart; null for anything else, and for commits that decide nothing. */
function commitOf(input: Input<Body>): string | null {
  if (input.kind !== "message" || input.body.kind !== "SchedulerCommit") return null
  const { queue, generation, commit, decisions } = input.body as CommitBody
  return decisions.length === 0 ? null : `${queue}/${generation}/${commit}`
}

/** Null where the commit is of a stream that is over: then it is not handled at all. */
function answerOf(effects: readonly Effect<Body>[]): string | null {
  const verdicts = effects.flatMap((effect) => (effect.kind === "send" && effect.body.kind === "SchedulerVerdicts" ? [effect.body] : []))
  const refused = effects.some((effect) => effect.kind === "event" && effect.fields?.["backplane.verdict"] === "STALE_EPOCH")
  return refused ? null : JSON.stringify(verdicts)
}
