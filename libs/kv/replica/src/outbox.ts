/** Collects what one step has to say: all items for one peer leave as one message, as do all answers for one requester. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { KvAnswer } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { PeerItem } from "@backplane/kv-contract/peer-items"

export type KvEffect = Effect<KvMessage>

export class Outbox {
  #effects: KvEffect[] = []
  /** By receiver and span: what belongs to a trace travels in a message of its own. */
  #items = new Map<string, { readonly to: ActorId; readonly span: string | undefined; readonly items: PeerItem[] }>()
  #answers = new Map<ActorId, KvAnswer[]>()
  /** Spans end after the messages that belong to them. */
  #last: KvEffect[] = []

  effect(...effects: readonly KvEffect[]): void {
    this.#effects.push(...effects)
  }

  atEnd(effect: KvEffect): void {
    this.#last.push(effect)
  }

  send(to: ActorId, item: PeerItem, span?: string): void {
    const name = `${to} ${span ?? ""}`
    const batch = this.#items.get(name) ?? { to, span, items: [] }
    batch.items.push(item)
    this.#items.set(name, batch)
  }

  answer(requester: ActorId, answer: KvAnswer): void {
    const answers = this.#answers.get(requester) ?? []
    answers.push(answer)
    this.#answers.set(requester, answers)
  }

  /** Everything since the last time, writes before messages. */
  flush(): readonly KvEffect[] {
    const effects = [
      ...this.#effects,
      ...[...this.#items.values()].map(({ to, span, items }) => send<KvMessage>(to, { kind: "KvPeer", items }, span)),
      ...[...this.#answers].map(([to, answers]) => send<KvMessage>(to, { kind: "KvTell", answers })),
      ...this.#last,
    ]
    this.#effects = []
    this.#items = new Map()
    this.#answers = new Map()
    this.#last = []
    return effects
  }
}
