/** What a run leaves behind as it goes: the trace of the last records and the fingerprint of all of them. */
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Due } from "@backplane/foundation-actor/agenda"
import type { Body, Effect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { effectText, TraceLog } from "./trace-log.ts"
import type { WorldSettings } from "./world-options.ts"

export class RunRecord {
  readonly trace: TraceLog
  /** Null where it is off. */
  readonly #fingerprint: Fingerprint | null

  constructor(settings: Pick<WorldSettings, "traceLinesMax" | "fingerprint">) {
    this.trace = new TraceLog(settings.traceLinesMax)
    this.#fingerprint = settings.fingerprint === "on" ? new Fingerprint() : null
  }

  fingerprint(): string {
    return this.#fingerprint?.hex() ?? "off"
  }

  /** An input is handled. A message counts by sender and number: its text was counted when it was sent, and is frozen. */
  heard(at: VirtualTime, actor: ActorId, due: Due): void {
    this.trace.add(at, actor, due)
    this.#fingerprint?.add(
      due.class === "message" ? `${at} ${actor} < ${due.from} #${due.sequence}` : `${at} ${actor} ${due.class} ${due.key}`,
    )
  }

  /** An effect is carried out, by the actor that was heard last. */
  did(at: VirtualTime, actor: ActorId, effect: Effect<Body>): void {
    this.trace.add(at, actor, effect)
    this.#fingerprint?.add(effectText(effect))
  }

  /** Words of the world itself: a start, a fault. */
  note(at: VirtualTime, who: string, what: string): void {
    this.trace.add(at, who, what)
    this.#fingerprint?.add(`${at} ${who} ${what}`)
  }
}
