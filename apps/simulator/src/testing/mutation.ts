/** Stands in front of an actor and changes what it hears or says. */
import type { Body, Effect, Input, Machine, SendEffect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

export interface Mutation {
  /** Null: it hears nothing of it. */
  readonly ear?: (input: Input<Body>) => Input<Body> | null
  readonly mouth?: (effect: Effect<Body>, input: Input<Body> | null, now: VirtualTime) => readonly Effect<Body>[]
}

export function mutated(machine: Machine, { ear = (input) => input, mouth = (effect) => [effect] }: Mutation): Machine {
  const start: Machine["start"] = machine.start.bind(machine)
  const step: Machine["step"] = machine.step.bind(machine)
  const changed: Pick<Machine, "start" | "step"> = {
    start: (now, restored) => start(now, restored).flatMap((effect) => mouth(effect, null, now)),
    step: (now, input) => {
      const heard = ear(input)
      return heard === null ? [] : step(now, heard).flatMap((effect) => mouth(effect, heard, now))
    },
  }
  return Object.assign(machine, changed)
}

export function isSendOf(effect: Effect<Body>, kind: string): effect is SendEffect<Body> {
  return effect.kind === "send" && effect.body.kind === kind
}
