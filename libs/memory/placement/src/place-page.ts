/** On which node a new page gets its frame: first-touch, local, interleave, bind. */
import { assert } from "@backplane/foundation-base/assert"

export type Placement =
  /** The node whose CPU touches the page first. */
  | { readonly kind: "first-touch" }
  /** One node for all. */
  | { readonly kind: "local"; readonly node: number }
  /** Page by page around all nodes, by page number: the same page lies on the same node in every run. */
  | { readonly kind: "interleave" }
  /** These nodes and no others, page by page around them. */
  | { readonly kind: "bind"; readonly nodes: readonly number[] }

export interface NewPage {
  readonly page: number
  /** Node of the CPU that touches it. */
  readonly toucher: number
}

/** Frames that each node has left. */
export type FramesFree = readonly number[]

/**
 * The node; null when no node that the placement allows has a frame left. `bind` and `local` never go elsewhere; the others take the next
 * node with a frame, going up and around from where the page should have lain.
 */
export function placePage(placement: Placement, { page, toucher }: NewPage, framesFree: FramesFree): number | null {
  const nodes = framesFree.length
  assert(toucher >= 0 && toucher < nodes, "who touches is on a node")
  const has = (node: number): boolean => (framesFree[node] ?? 0) > 0
  switch (placement.kind) {
    case "local":
      return has(placement.node) ? placement.node : null
    case "bind":
      return around(placement.nodes, page, has)
    case "interleave":
      return around(range(nodes), page, has)
    case "first-touch":
      return around(range(nodes), toucher, has)
  }
}

function around(nodes: readonly number[], from: number, has: (node: number) => boolean): number | null {
  assert(nodes.length > 0, "a placement names a node")
  for (let step = 0; step < nodes.length; step++) {
    const node = nodes[(from + step) % nodes.length]
    if (node !== undefined && has(node)) return node
  }
  return null
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index)
}
