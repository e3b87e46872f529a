/**
 * Whose turn it is: the actor with the earliest input, and among those of one time the first by `compareActors`.
 *
 * The heap holds a note per change instead of being searched: a note that disagrees with its actor is stale.
 */
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

export interface Ready {
  /** Place in the order of actors; the world renumbers when an actor is added, which keeps the order of the others. */
  readonly rank: number
  /** When the actor is next due; null when it waits for others. Written by the queue only. */
  readyAt: VirtualTime | null
}

interface Note<Actor> {
  readonly at: VirtualTime
  readonly actor: Actor
}

export class ReadyQueue<Actor extends Ready> {
  readonly #notes = new PriorityQueue<Note<Actor>>((a, b) => a.at - b.at || a.actor.rank - b.actor.rank)

  /** The actor is next due at `at`, or not at all. */
  set(actor: Actor, at: VirtualTime | null): void {
    if (actor.readyAt === at) return
    actor.readyAt = at
    if (at !== null) this.#notes.push({ at, actor })
  }

  /** The actor may be due at `at`, if not earlier. */
  lower(actor: Actor, at: VirtualTime): void {
    if (actor.readyAt === null || at < actor.readyAt) this.set(actor, at)
  }

  first(): Actor | null {
    for (;;) {
      const note = this.#notes.peek()
      if (note === undefined) return null
      if (note.actor.readyAt === note.at) return note.actor
      this.#notes.pop()
    }
  }
}
