/**
 * Collects what is to be said: all items for one peer leave as one message, as do all answers for one requester.
 *
 * Questions to a peer (writes to replicate, reads to fetch) leave at once while none is under way to it; what comes meanwhile waits for the
 * peer's next word and leaves together (as Nagle's algorithm has it, RFC 896): the busier the store, the larger its messages, and a lone request
 * waits for nothing. Should that word be lost, `release` comes after WINDOW_CYCLES.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { KvAnswer } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { BATCH_ITEMS_MAX } from "@backplane/kv-contract/limits"
import type { PeerItem } from "@backplane/kv-contract/peer-items"

export type KvEffect = Effect<KvMessage>

/** After this a word that was awaited is taken for lost. */
export const WINDOW_CYCLES = 5_000

export class Outbox {
  /** Of the configuration that the replica goes by: stands in all that it says to others. */
  epoch = 0
  #effects: KvEffect[] = []
  /** By receiver and span: what belongs to a trace travels in a message of its own. */
  #items = new Map<string, { readonly to: ActorId; readonly span: string | undefined; readonly items: PeerItem[] }>()
  /** Peers that this step asks something. */
  readonly #asking = new Set<ActorId>()
  /** Peers that have a question to answer; null where nothing waits for the answer. */
  readonly #asked = new Map<ActorId, PeerItem[] | null>()
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

  /** A question: leaves with what the peer is asked next, at once where it has answered the last. */
  ask(to: ActorId, item: PeerItem): void {
    if ((globalThis as any).process.env.NOWIN) return this.send(to, item)
    const waiting = this.#asked.get(to)
    if (waiting === undefined) {
      this.#asking.add(to)
      this.send(to, item)
    } else if (waiting === null) this.#asked.set(to, [item])
    else waiting.push(item)
  }

  /** The peer has answered something: what waited for that leaves. */
  heard(from: ActorId): void {
    const waiting = this.#asked.get(from)
    if (waiting === undefined) return
    this.#asked.delete(from)
    if (waiting !== null) for (const item of waiting) this.ask(from, item)
  }

  /** True while something waits for a peer's word. */
  get isHolding(): boolean {
    for (const waiting of this.#asked.values()) if (waiting !== null) return true
    return false
  }

  /** Waited long enough. */
  release(): void {
    for (const peer of [...this.#asked.keys()]) this.heard(peer)
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
      ...[...this.#items.values()].flatMap(({ to, span, items }) =>
        inBatches(items).map((batch) => send<KvMessage>(to, { kind: "KvPeer", epoch: this.epoch, items: batch }, span)),
      ),
      ...[...this.#answers].flatMap(([to, answers]) =>
        inBatches(answers).map((batch) => send<KvMessage>(to, { kind: "KvTell", answers: batch })),
      ),
      ...this.#last,
    ]
    for (const peer of this.#asking) this.#asked.set(peer, null)
    this.#asking.clear()
    this.#effects = []
    this.#items = new Map()
    this.#answers = new Map()
    this.#last = []
    return effects
  }
}

/** Cut to what one message may hold: a step may have more to say than that. */
function inBatches<T>(list: readonly T[]): T[][] {
  const batches: T[][] = []
  for (let first = 0; first < list.length; first += BATCH_ITEMS_MAX) batches.push(list.slice(first, first + BATCH_ITEMS_MAX))
  return batches
}
