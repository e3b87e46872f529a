/** The timers of the actors of one host in `free` mode: what is due, earliest first. */
import { PriorityQueue } from "@backplane/foundation-base/priority-queue"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"

interface Entry<Owner> {
  readonly at: VirtualTime
  readonly setAt: VirtualTime
  /** Order of setting: makes the order total. */
  readonly order: number
  readonly owner: Owner
  readonly key: string
}

export interface DueTimer<Owner> {
  readonly owner: Owner
  readonly key: string
}

export class FreeTimers<Owner> {
  readonly #heap = new PriorityQueue<Entry<Owner>>((a, b) => a.at - b.at || a.order - b.order)
  /** The entry that is valid for each owner and key; others in the heap were replaced or cancelled. */
  readonly #valid = new Map<Owner, Map<string, Entry<Owner>>>()
  #order = 0

  set(owner: Owner, { key, at, setAt }: Omit<Entry<Owner>, "order" | "owner">): void {
    const timers = this.#valid.get(owner) ?? new Map<string, Entry<Owner>>()
    this.#valid.set(owner, timers)
    if (timers.get(key)?.at === at) return
    const entry: Entry<Owner> = { at, setAt, order: this.#order++, owner, key }
    timers.set(key, entry)
    this.#heap.push(entry)
  }

  cancel(owner: Owner, key: string): void {
    this.#valid.get(owner)?.delete(key)
  }

  forget(owner: Owner): void {
    this.#valid.delete(owner)
  }

  count(owner: Owner): number {
    return this.#valid.get(owner)?.size ?? 0
  }

  nextTime(): VirtualTime | null {
    return this.next()?.at ?? null
  }

  /** When the first is due, and when it was set. */
  next(): { readonly at: VirtualTime; readonly setAt: VirtualTime } | null {
    for (;;) {
      const first = this.#heap.peek()
      if (first === undefined) return null
      if (this.#valid.get(first.owner)?.get(first.key) === first) return first
      this.#heap.pop()
    }
  }

  /** Takes the first that is due. */
  take(now: VirtualTime): DueTimer<Owner> | null {
    const next = this.nextTime()
    if (next === null || next > now) return null
    const entry = this.#heap.pop()
    if (entry === undefined) return null
    this.#valid.get(entry.owner)?.delete(entry.key)
    return entry
  }
}
