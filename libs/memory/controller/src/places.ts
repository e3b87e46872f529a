/** Where frames can lie: the nodes by their numbers, and behind them the page store where there is one. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"

export interface PlacesOptions {
  readonly nodes: number
  readonly nodeActor: (node: number) => ActorId
  readonly store?: { readonly actor: ActorId }
}

export class Places {
  readonly #actors: readonly ActorId[]
  readonly #numbers: ReadonlyMap<ActorId, number>

  constructor({ nodes, nodeActor, store }: PlacesOptions) {
    const ofNodes = Array.from({ length: nodes }, (_, node) => nodeActor(node))
    this.#actors = store === undefined ? ofNodes : [...ofNodes, store.actor]
    this.#numbers = new Map(this.#actors.map((actor, place) => [actor, place]))
  }

  /** All places as bits. */
  get all(): number {
    return 2 ** this.#actors.length - 1
  }

  actorAt(place: number): ActorId {
    const actor = this.#actors[place]
    if (actor === undefined) throw new RangeError(`there is no place ${place}`)
    return actor
  }

  /** -1: it is none of the machine's. */
  numberOf(actor: ActorId): number {
    return this.#numbers.get(actor) ?? -1
  }
}
