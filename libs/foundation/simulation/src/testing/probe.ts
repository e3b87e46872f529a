/** A machine that does what a test says and writes down what it hears, with the time. */
import type { Body, Effect, Input, Machine, Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

export interface ProbeScript {
  readonly start?: (now: VirtualTime, restored: Restored) => readonly Effect<Body>[]
  readonly step?: (now: VirtualTime, input: Input<Body>) => readonly Effect<Body>[]
}

export class Probe implements Machine {
  readonly #script: ProbeScript
  /** `<time> <Kind> from <sender>`, `<time> timer <key>`, `<time> persisted <key>`. */
  readonly heard: string[] = []

  constructor(script: ProbeScript = {}) {
    this.#script = script
  }

  start(now: VirtualTime, restored: Restored): readonly Effect<Body>[] {
    return this.#script.start?.(now, restored) ?? []
  }

  step(now: VirtualTime, input: Input<Body>): readonly Effect<Body>[] {
    this.heard.push(input.kind === "message" ? `${now} ${input.body.kind} from ${input.from}` : `${now} ${input.kind} ${input.key}`)
    return this.#script.step?.(now, input) ?? []
  }
}

/** A message that is nothing but its kind. */
export function word(kind: string): Body {
  return { kind }
}
