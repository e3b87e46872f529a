/**
 * Collects what is to be said: all items for one peer leave as one message, as do all answers for one requester.
 *
 * Nothing is held back: what a step says leaves at its end. A step handles all that has come by then, so the busier the store, the larger its
 * messages.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { KvAnswer } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import { BATCH_ITEMS_MAX } from "@backplane/kv-contract/limits"
import type { KvPeer, PeerItem } from "@backplane/kv-contract/peer-items"

export type KvEffect = Effect<KvMessage>

export class Outbox {
  /** Of the configuration that the replica goes by: stands in all that it says to others. */
  epoch = 0
  /** Where the store has members of an earlier version: what this replica speaks, and whom it may tell so (peer-versions.ts). */
  mixed: {
    readonly version: number
    readonly isTold: (to: ActorId) => boolean
  } | null = null
  #effects: KvEffect[] = []
  #items = new Map<ActorId, PeerItem[]>()
  /** By receiver and span: what belongs to a trace travels in a message of its own. */
  #traced = new Map<string, { readonly to: ActorId; readonly span: string; readonly items: PeerItem[] }>()
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
    if (span === undefined) {
      const items = this.#items.get(to)
      if (items === undefined) this.#items.set(to, [item])
      else items.push(item)
      return
    }
    const name = `${to} ${span}`
    const batch = this.#traced.get(name) ?? { to, span, items: [] }
    batch.items.push(item)
    this.#traced.set(name, batch)
  }

  answer(requester: ActorId, answer: KvAnswer): void {
    const answers = this.#answers.get(requester) ?? []
    answers.push(answer)
    this.#answers.set(requester, answers)
  }

  /** Everything since the last time, writes before messages. */
  flush(): readonly KvEffect[] {
    if (this.#items.size + this.#traced.size + this.#answers.size === 0) return this.#effectsAlone()
    const effects = [
      ...this.#effects,
      ...this.#peerMessages(),
      ...[...this.#traced.values()].flatMap(({ to, span, items }) =>
        this.#bodies(to, items).map((body) => send<KvMessage>(to, body, span)),
      ),
      ...[...this.#answers].flatMap(([to, answers]) =>
        inBatches(answers).map((batch) => send<KvMessage>(to, { kind: "KvTell", answers: batch })),
      ),
      ...this.#last,
    ]
    this.#effects = []
    this.#items = new Map()
    this.#traced = new Map()
    this.#answers = new Map()
    this.#last = []
    return effects
  }

  /** Most steps of a store at rest say nothing to anybody. */
  #effectsAlone(): readonly KvEffect[] {
    const effects = this.#last.length === 0 ? this.#effects : [...this.#effects, ...this.#last]
    this.#effects = []
    if (this.#last.length > 0) this.#last = []
    return effects
  }

  /** Peers that are told the same share one body, so that it is made into text once (foundation/runtime's buses see to that). */
  #peerMessages(): KvEffect[] {
    let last: {
      readonly items: readonly PeerItem[]
      readonly isTold: boolean
      readonly bodies: readonly KvPeer[]
    } | null = null
    const effects: KvEffect[] = []
    for (const [to, items] of this.#items) {
      const isTold = this.#isTold(to)
      if (last === null || last.isTold !== isTold || !isSameList(last.items, items))
        last = { items, isTold, bodies: this.#bodies(to, items) }
      for (const body of last.bodies) effects.push(send<KvMessage>(to, body))
    }
    return effects
  }

  #bodies(to: ActorId, items: readonly PeerItem[]): KvPeer[] {
    const version = this.mixed !== null && this.#isTold(to) ? { version: this.mixed.version } : null
    return inBatches(items).map((batch): KvPeer => {
      const body = { kind: "KvPeer", epoch: this.epoch, items: batch } as const
      return version === null ? body : { ...body, ...version }
    })
  }

  #isTold(to: ActorId): boolean {
    return this.mixed?.isTold(to) === true
  }
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index])
}

/** Cut to what one message may hold: a step may have more to say than that. */
function inBatches<T>(list: readonly T[]): T[][] {
  const batches: T[][] = []
  for (let first = 0; first < list.length; first += BATCH_ITEMS_MAX) batches.push(list.slice(first, first + BATCH_ITEMS_MAX))
  return batches
}
