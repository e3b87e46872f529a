/**
 * Which version of the messages each peer speaks, while a store has programs of two versions in it (a rolling upgrade).
 *
 * Procedure: who starts says hello to all members, and again each round to those of whom it knows nothing better. Who hears a hello answers it. Until then a
 * peer is spoken to in the version that every member of the store speaks (`version` of the configuration), the first where none is told. A message
 * of a peer that bears no version is of a program that was put back: it is spoken to in the old one from then on.
 * Once all members speak the present version the configuration says so (config-keeper.ts), and nobody says hello any more.
 *
 * Invariants:
 * V1 Nobody is sent a field that it may refuse.
 * V2 What is kept has fields of a version only once the configuration says that every member speaks it: it may go to any of them, at any time.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { KvRequest } from "@backplane/kv-contract/client-messages"
import type { KvHello, KvPeer } from "@backplane/kv-contract/peer-items"
import { WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import type { StoreConfig } from "@backplane/kv-contract/store-config"
import type { KvEffect } from "./outbox.ts"
import type { ReplicaRules } from "./rules.ts"

export class PeerVersions {
  /** What this program speaks. */
  readonly own: number
  readonly #rules: ReplicaRules
  readonly #known = new Map<ActorId, number>()
  #store = WIRE_VERSION_FIRST

  constructor(own: number, rules: ReplicaRules) {
    this.own = own
    this.#rules = rules
  }

  /** Another configuration is in force. */
  configured({ version }: StoreConfig): void {
    this.#store = version ?? WIRE_VERSION_FIRST
  }

  /** True while a member may speak an earlier version. */
  get isMixed(): boolean {
    return this.#store < this.own
  }

  /** Whether what is kept may have fields of `version` (V2). */
  keeps(version: number): boolean {
    return Math.min(this.own, this.#store) >= version
  }

  /** Whether the peer may be sent fields of `version` (V1). */
  knows(peer: ActorId, version: number): boolean {
    return this.own >= version && (this.#rules.speaksUnasked || this.#store >= version || (this.#known.get(peer) ?? 1) >= version)
  }

  /** The request as the peer may be told it (V1): how old a repeat is came with the second version. */
  request<Request extends KvRequest>(peer: ActorId, request: Request): Request {
    if (request.age === undefined || this.knows(peer, 2)) return request
    const { age: _, ...rest } = request
    return rest as Request
  }

  /** Said to those of whom nothing better is known. */
  hellos(members: readonly ActorId[], own: ActorId): readonly KvEffect[] {
    if (!this.isMixed) return []
    const hello: KvHello = {
      kind: "KvHello",
      version: this.own,
      answer: false,
    }
    return members.filter((id) => id !== own && !this.knows(id, this.own)).map((id) => send(id, hello))
  }

  onHello(from: ActorId, { version, answer }: KvHello): readonly KvEffect[] {
    this.#known.set(from, version)
    return answer ? [] : [send(from, { kind: "KvHello", version: this.own, answer: true })]
  }

  onPeer(from: ActorId, { version }: KvPeer): void {
    if (!this.isMixed) return
    if (version !== undefined) this.#known.set(from, version)
    else if (!this.#rules.keepsOldVersions) this.#known.delete(from)
  }
}
