/**
 * A balanced tree of weighted items in order of (key, age), which also knows of each part the sum of weights and the least rank.
 *
 * Serves the fair policies: the first by key that may run (cfs, stride, bfs), the item at a ticket (lottery), the least rank among
 * those up to a key (eevdf: earliest deadline among the eligible). A treap (Seidel and Aragon, "Randomized Search Trees", 1996) whose
 * priorities are a hash of the age: no chance is drawn, and the shape depends on what is in it only.
 */
export interface TreeEntry<T> {
  readonly item: T
  readonly key: number
  /** At least 0. */
  readonly weight: number
  /** A second order, for `leastRank`. */
  readonly rank: number
}

interface TreeNode<T> extends TreeEntry<T> {
  /** Grows with each insertion; equal keys leave in this order. */
  readonly age: number
  readonly priority: number
  left: TreeNode<T> | null
  right: TreeNode<T> | null
  weightSum: number
  rankLeast: number
}

type Branch<T> = TreeNode<T> | null

export class TaskTree<T> {
  #root: Branch<T> = null
  readonly #nodes = new Map<T, TreeNode<T>>()
  #inserted = 0

  get length(): number {
    return this.#nodes.size
  }

  get weightSum(): number {
    return this.#root?.weightSum ?? 0
  }

  has(item: T): boolean {
    return this.#nodes.has(item)
  }

  entry(item: T): TreeEntry<T> | undefined {
    return this.#nodes.get(item)
  }

  insert({ item, key, weight, rank }: TreeEntry<T>): void {
    const age = this.#inserted++
    const node: TreeNode<T> = {
      item,
      key,
      weight,
      rank,
      age,
      priority: mixed(age),
      left: null,
      right: null,
      weightSum: weight,
      rankLeast: rank,
    }
    const [less, rest] = split(this.#root, node)
    this.#root = merge(merge(less, node), rest)
    this.#nodes.set(item, node)
  }

  remove(item: T): boolean {
    const node = this.#nodes.get(item)
    if (node === undefined) return false
    this.#nodes.delete(item)
    this.#root = without(this.#root, node)
    return true
  }

  /** The least by (key, age). */
  get first(): TreeEntry<T> | undefined {
    let node = this.#root
    while (node !== null && node.left !== null) node = node.left
    return node ?? undefined
  }

  /** The least by (key, age) that passes. */
  find(passes: (item: T) => boolean): T | undefined {
    return findIn(this.#root, passes)?.item
  }

  /** The last by (key, age) that passes. */
  findLast(passes: (item: T) => boolean): T | undefined {
    return findLastIn(this.#root, passes)?.item
  }

  /** The item whose share of the weights, laid end to end in order, covers `ticket`, in [0, weightSum). */
  atWeight(ticket: number): T | undefined {
    let node = this.#root
    let left = ticket
    while (node !== null) {
      const before = node.left?.weightSum ?? 0
      if (left < before) node = node.left
      else if (left < before + node.weight) return node.item
      else {
        left -= before + node.weight
        node = node.right
      }
    }
    return undefined
  }

  /** Among the items with a key of at most `keyMost` that pass: the one of least rank, the first by (key, age) among equals. */
  leastRank(keyMost: number, passes: (item: T) => boolean): T | undefined {
    return leastRankIn(this.#root, keyMost, passes, null)?.item
  }

  /** In order. */
  items(): readonly T[] {
    const items: T[] = []
    this.find((item) => {
      items.push(item)
      return false
    })
    return items
  }
}

/** A bijection of 32 bits that scatters (finalizer of splitmix32). */
function mixed(age: number): number {
  let z = Math.imul(age + 1, 0x9e3779b9)
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return (z ^ (z >>> 15)) >>> 0
}

function isBefore<T>(a: TreeNode<T>, b: TreeNode<T>): boolean {
  return a.key < b.key || (a.key === b.key && a.age < b.age)
}

function summed<T>(node: TreeNode<T>): TreeNode<T> {
  const { left, right } = node
  node.weightSum = node.weight + (left?.weightSum ?? 0) + (right?.weightSum ?? 0)
  node.rankLeast = Math.min(node.rank, left?.rankLeast ?? Infinity, right?.rankLeast ?? Infinity)
  return node
}

/** What lies before `at`, and the rest. */
function split<T>(node: Branch<T>, at: TreeNode<T>): [Branch<T>, Branch<T>] {
  if (node === null) return [null, null]
  if (isBefore(node, at)) {
    const [less, rest] = split(node.right, at)
    node.right = less
    return [summed(node), rest]
  }
  const [less, rest] = split(node.left, at)
  node.left = rest
  return [less, summed(node)]
}

/** Joins two trees of which all of `a` lies before all of `b`. */
function merge<T>(a: Branch<T>, b: Branch<T>): Branch<T> {
  if (a === null) return b
  if (b === null) return a
  if (a.priority < b.priority) {
    a.right = merge(a.right, b)
    return summed(a)
  }
  b.left = merge(a, b.left)
  return summed(b)
}

function without<T>(node: Branch<T>, gone: TreeNode<T>): Branch<T> {
  if (node === null) return null
  if (node === gone) return merge(node.left, node.right)
  if (isBefore(gone, node)) node.left = without(node.left, gone)
  else node.right = without(node.right, gone)
  return summed(node)
}

function findIn<T>(node: Branch<T>, passes: (item: T) => boolean): Branch<T> {
  if (node === null) return null
  return findIn(node.left, passes) ?? (passes(node.item) ? node : findIn(node.right, passes))
}

function findLastIn<T>(node: Branch<T>, passes: (item: T) => boolean): Branch<T> {
  if (node === null) return null
  return findLastIn(node.right, passes) ?? (passes(node.item) ? node : findLastIn(node.left, passes))
}

function leastRankIn<T>(node: Branch<T>, keyMost: number, passes: (item: T) => boolean, best: Branch<T>): Branch<T> {
  // Nothing below can be better: the branch is left out.
  if (node === null || (best !== null && node.rankLeast >= best.rank)) return best
  let least = leastRankIn(node.left, keyMost, passes, best)
  if (node.key > keyMost) return least
  if ((least === null || node.rank < least.rank) && passes(node.item)) least = node
  return leastRankIn(node.right, keyMost, passes, least)
}
