/**
 * Writes of registers that somebody follows: a span of each from its proposal until the last replica has it on disk.
 *
 * Only its leader knows how far that is. What it sends the others with the entry is said within the span, so that their part is found in the trace, too.
 * Bounded: of more than `FOLLOWED_MAX` at a time the oldest is given up, and one that is not everywhere in time ends with a word about that.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { compareActors } from "@backplane/foundation-actor/actor-id"
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { ConsensusMessage } from "@backplane/kv-contract/consensus-items"
import type { ConsensusGroup } from "@backplane/kv-replication/consensus/consensus-group"
import { placeName } from "@backplane/kv-replication/hash"
import type { ReplicaCore } from "./core.ts"
import { traceOf } from "./write-traces.ts"

const FOLLOWED_MAX = 256

interface Followed {
  readonly span: string
  readonly partition: number
  readonly term: number
  readonly index: number
  readonly until: number
}

export class FollowedEntries {
  readonly #core: ReplicaCore
  #followed: Followed[] = []

  constructor(core: ReplicaCore) {
    this.#core = core
  }

  /** The last entry of the group's log was proposed for a request that is followed in `trace`. */
  proposed(
    partition: number,
    group: ConsensusGroup,
    write: { readonly bucket: string; readonly key: string; readonly value: string | null; readonly trace: string },
  ): void {
    const { outbox, now, timings } = this.#core
    if (this.#followed.length >= FOLLOWED_MAX) this.#end(this.#followed[0] as Followed, "given up: too many are followed")
    const span = `entry/${this.#core.freshId()}`
    const attributes = { "backplane.key": placeName(write.bucket, write.key), "backplane.bytes": write.value?.length ?? 0 }
    outbox.effect(openSpan(span, "kv.write", attributes, { parent: traceOf(write.trace) }))
    this.#followed.push({ span, partition, term: group.term, index: group.heldBy().index, until: now + timings.deadline })
  }

  /** The span within which the message is said; undefined: none. */
  spanOf(partition: number, message: ConsensusMessage): string | undefined {
    if (this.#followed.length === 0 || message.step !== "append") return undefined
    const [first, last] = [message.previousIndex + 1, message.previousIndex + message.entries.length]
    return this.#followed.find((each) => each.partition === partition && each.index >= first && each.index <= last)?.span
  }

  /** What is everywhere by now is over, and what nobody here will hear of. */
  progressed(groups: ReadonlyMap<number, ConsensusGroup>): void {
    if (this.#followed.length === 0) return
    for (const each of [...this.#followed]) {
      const group = groups.get(each.partition)
      if (group?.role !== "leader" || group.term !== each.term) {
        this.#end(each, "another replica leads")
        continue
      }
      const { holders, everywhere } = group.heldBy(each.index)
      if (everywhere) this.#end(each, null, holders)
      else if (this.#core.now >= each.until) this.#end(each, "not with every replica in time", holders)
    }
  }

  #end(followed: Followed, why: string | null, holders: readonly ActorId[] = []): void {
    this.#followed = this.#followed.filter((each) => each !== followed)
    const attributes = holders.length === 0 ? {} : { "backplane.replicas": holders.toSorted(compareActors).join(" ") }
    this.#core.outbox.atEnd(why === null ? closeSpan(followed.span, attributes) : closeSpan(followed.span, attributes, why))
  }
}
