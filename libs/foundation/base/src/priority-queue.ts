/** A binary heap, smallest first. Order must be total: equal items would leave in an order that depends on history. */
export class PriorityQueue<T> {
  readonly #heap: T[] = []
  readonly #compare: (a: T, b: T) => number

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare
  }

  get length(): number {
    return this.#heap.length
  }

  peek(): T | undefined {
    return this.#heap[0]
  }

  push(item: T): void {
    const heap = this.#heap
    let hole = heap.length
    heap.push(item)
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      const above = heap[parent] as T
      if (this.#compare(above, item) <= 0) break
      heap[hole] = above
      hole = parent
    }
    heap[hole] = item
  }

  pop(): T | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#compare(heap[child + 1] as T, heap[child] as T) < 0) child++
      const below = heap[child] as T
      if (this.#compare(last, below) <= 0) break
      heap[hole] = below
      hole = child
    }
    heap[hole] = last
    return top
  }
}
