/** A first-in-first-out list whose items can be taken out of the middle. Every operation but the walk takes constant time. */
interface Link<T> {
  readonly item: T
  before: Link<T> | null
  after: Link<T> | null
}

export class TaskList<T> {
  readonly #links = new Map<T, Link<T>>()
  #head: Link<T> | null = null
  #tail: Link<T> | null = null

  get length(): number {
    return this.#links.size
  }

  get first(): T | undefined {
    return this.#head?.item
  }

  has(item: T): boolean {
    return this.#links.has(item)
  }

  pushBack(item: T): void {
    const link: Link<T> = { item, before: this.#tail, after: null }
    if (this.#tail === null) this.#head = link
    else this.#tail.after = link
    this.#tail = link
    this.#links.set(item, link)
  }

  pushFront(item: T): void {
    const link: Link<T> = { item, before: null, after: this.#head }
    if (this.#head === null) this.#tail = link
    else this.#head.before = link
    this.#head = link
    this.#links.set(item, link)
  }

  /** False where it was not there. */
  remove(item: T): boolean {
    const link = this.#links.get(item)
    if (link === undefined) return false
    this.#links.delete(item)
    if (link.before === null) this.#head = link.after
    else link.before.after = link.after
    if (link.after === null) this.#tail = link.before
    else link.after.before = link.before
    return true
  }

  /** The first that passes, from the head. */
  find(passes: (item: T) => boolean): T | undefined {
    for (let link = this.#head; link !== null; link = link.after) if (passes(link.item)) return link.item
    return undefined
  }

  items(): readonly T[] {
    const items: T[] = []
    for (let link = this.#head; link !== null; link = link.after) items.push(link.item)
    return items
  }
}
