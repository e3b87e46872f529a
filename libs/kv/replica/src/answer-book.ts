/** Answers that were given, by requester and sequence, so that a repeat gets the same; and which requests are being worked on. Bounded. */
import { YoungMap } from "@backplane/foundation-base/young-map"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { KvAnswer } from "@backplane/kv-contract/client-messages"

const ANSWERS_PER_REQUESTER_MAX = 1024
const REQUESTERS_MAX = 4096

export class AnswerBook {
  /** Oldest use first, both. "open": the answer will come. */
  readonly #requesters = new YoungMap<ActorId, YoungMap<number, KvAnswer | "open">>()
  /** The last of them: mostly the one that is used next, too. */
  #newest: ActorId | null = null

  find(requester: ActorId, sequence: number): KvAnswer | "open" | undefined {
    return this.#requesters.get(requester)?.get(sequence)
  }

  set(requester: ActorId, sequence: number, answer: KvAnswer | "open"): void {
    const answers = this.#requesters.get(requester) ?? new YoungMap<number, KvAnswer | "open">()
    if (requester !== this.#newest) {
      this.#requesters.delete(requester)
      this.#requesters.set(requester, answers)
      this.#newest = requester
      dropOldest(this.#requesters, REQUESTERS_MAX)
    }
    answers.set(sequence, answer)
    dropOldest(answers, ANSWERS_PER_REQUESTER_MAX)
  }

  /** The request was refused in a way that a repeat may mend. */
  forget(requester: ActorId, sequence: number): void {
    this.#requesters.get(requester)?.delete(sequence)
  }
}

function dropOldest<Key>(map: YoungMap<Key, unknown>, limit: number): void {
  while (map.size > limit) map.delete(map.firstKey() as Key)
}
