/** What a run leaves behind as it goes: the trace of the last records and the fingerprint of all of them. */
import { Fingerprint } from "@backplane/foundation-base/fingerprint"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Due } from "@backplane/foundation-actor/agenda"
import type { Body, Effect } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { effectText, TraceLog } from "./trace-log.ts"
import type { WorldSettings } from "./world-options.ts"

/** Longer texts are added unit by unit. */
const SCRATCH_BYTES = 16_384

export class RunRecord {
  readonly trace: TraceLog
  /** Null where it is off. */
  readonly #fingerprint: Fingerprint | null
  readonly #encoder = new TextEncoder()
  readonly #scratch = new Uint8Array(SCRATCH_BYTES)

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
    if (this.#fingerprint !== null) this.#add(this.#fingerprint, effectText(effect))
  }

  /** Words of the world itself: a start, a fault. */
  note(at: VirtualTime, who: string, what: string): void {
    this.trace.add(at, who, what)
    this.#fingerprint?.add(`${at} ${who} ${what}`)
  }

  /** The same as `fingerprint.add(text)`; for long texts, which are most of a run, a third of the time. */
  #add(fingerprint: Fingerprint, text: string): void {
    if (text.length > SCRATCH_BYTES) return void fingerprint.add(text)
    const { read, written } = this.#encoder.encodeInto(text, this.#scratch)
    // As many bytes as characters, so each is ASCII.
    if (read === text.length && written === text.length) fingerprint.addAscii(this.#scratch, written)
    else fingerprint.add(text)
  }
}
