/**
 * The Merkle tree of one partition: 64 nodes of 64 leaves, a leaf for each of 4096 classes of keys.
 *
 * Goal: equal replicas find out by one hash, different ones descend only where they differ. A leaf is the exclusive or of the hashes of its
 * states, so a change costs two of them whatever the leaf holds; nodes and the root are hashed over their children when asked for. What a
 * state's hash covers is the caller's business; a state that must not count has none.
 */
import { foldHashes, hashOf, hexOf, type Hash64 } from "./hash.ts"

export const NODES = 64
export const LEAVES_PER_NODE = 64
export const LEAVES = NODES * LEAVES_PER_NODE

export function leafOf(place: string): number {
  return hashOf(place).low % LEAVES
}

const EMPTY_NODE = hexOf(foldHashes(new Uint32Array(LEAVES_PER_NODE), new Uint32Array(LEAVES_PER_NODE)))
const EMPTY_ROOT = hexOf(hashOf(new Array<string>(NODES).fill(EMPTY_NODE).join("")))

const NO_LEAVES = new Uint32Array(0)

/** What a leaf is told as in a digest: 24 of its 64 bits, which are four characters of base64 (RFC 4648). */
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
const DIGEST_LEAF_LENGTH = 4

export class MerkleTree {
  /** Of an empty tree nothing is kept: most partitions of a small store are. */
  #high = NO_LEAVES
  #low = NO_LEAVES
  /** Null where a leaf below changed. */
  readonly #nodes: (string | null)[] = new Array<string | null>(NODES).fill(EMPTY_NODE)
  #root: string | null = EMPTY_ROOT
  /** Grows with each change: an equal number means that nothing changed. */
  #changes = 0

  get changes(): number {
    return this.#changes
  }

  /** The state of `place` had hash `before` and has hash `after` now; null where it has none. */
  replace(place: string, before: Hash64 | null, after: Hash64 | null): void {
    this.replaceIn(leafOf(place), before, after)
  }

  /** The same for who knows the leaf. */
  replaceIn(leaf: number, before: Hash64 | null, after: Hash64 | null): void {
    if (this.#high === NO_LEAVES) {
      this.#high = new Uint32Array(LEAVES)
      this.#low = new Uint32Array(LEAVES)
    }
    this.#high[leaf] = (this.#high[leaf] ?? 0) ^ (before?.high ?? 0) ^ (after?.high ?? 0)
    this.#low[leaf] = (this.#low[leaf] ?? 0) ^ (before?.low ?? 0) ^ (after?.low ?? 0)
    this.#nodes[Math.floor(leaf / LEAVES_PER_NODE)] = null
    this.#root = null
    this.#changes++
  }

  root(): string {
    this.#root ??= hexOf(hashOf(this.nodes().join("")))
    return this.#root
  }

  nodes(): readonly string[] {
    return this.#nodes.map((known, node) => {
      if (known !== null) return known
      const [start, end] = [node * LEAVES_PER_NODE, (node + 1) * LEAVES_PER_NODE]
      const hash = hexOf(foldHashes(this.#high.subarray(start, end), this.#low.subarray(start, end)))
      this.#nodes[node] = hash
      return hash
    })
  }

  /** The hashes of the leaves of one node. */
  leaves(node: number): readonly string[] {
    return Array.from({ length: LEAVES_PER_NODE }, (_, index) => {
      const leaf = node * LEAVES_PER_NODE + index
      return hexOf({ high: this.#high[leaf] ?? 0, low: this.#low[leaf] ?? 0 })
    })
  }

  /**
   * The leaves of one node in a fifth of what their hashes take. Two leaves that differ have the same digits once in 2^24, so they tell *which* leaves of a
   * node differ, never *that* none does: that says the node's hash alone (`differingBy`).
   */
  digest(node: number): string {
    let digits = ""
    for (let leaf = node * LEAVES_PER_NODE; leaf < (node + 1) * LEAVES_PER_NODE; leaf++) {
      const bits = this.#low[leaf] ?? 0
      for (let shift = 18; shift >= 0; shift -= 6) digits += DIGITS[(bits >>> shift) & 63]
    }
    return digits
  }

  /** The leaves of a node, by their index in it, that are not as in the tree of which `hash` and `digest` are told: all of them where the digest hides which. */
  differingBy(node: number, hash: string, digest: string): readonly number[] {
    if (this.nodes()[node] === hash) return []
    const mine = this.digest(node)
    const all = Array.from({ length: LEAVES_PER_NODE }, (_, index) => index)
    const told = all.filter((index) => {
      const start = index * DIGEST_LEAF_LENGTH
      return mine.slice(start, start + DIGEST_LEAF_LENGTH) !== digest.slice(start, start + DIGEST_LEAF_LENGTH)
    })
    return told.length === 0 ? all : told
  }
}

/** Indices at which two lists of hashes differ. */
export function differing(mine: readonly string[], theirs: readonly string[]): readonly number[] {
  return mine.flatMap((hash, index) => (hash === theirs[index] ? [] : [index]))
}
