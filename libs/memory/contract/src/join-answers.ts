/** What several memory controllers tell of their parts of one memory, as one answer. */
import { compareText } from "@backplane/foundation-base/json"
import { MEMORY_LEVELS, type MemoryAnswer, type SpaceView } from "./memory-operator-messages.ts"

type NodeView = MemoryAnswer["nodes"][number]

export function joined(a: MemoryAnswer, b: MemoryAnswer): MemoryAnswer {
  const spaces = new Map(a.spaces.map((space) => [space.space, space]))
  for (const space of b.spaces) {
    const known = spaces.get(space.space)
    spaces.set(space.space, known === undefined ? space : joinedSpace(known, space))
  }
  return {
    ...a,
    nodes: a.nodes.map((node, index) => joinedNode(node, b.nodes[index])),
    store: joinedStore(a.store, b.store),
    spaces: [...spaces.values()].sort((x, y) => compareText(x.space, y.space)),
    pages: [...a.pages, ...b.pages].sort((x, y) => x.page - y.page),
  }
}

/** The same of pages from one number on: as far as all of them have told. */
export function joinedPart(answers: readonly [MemoryAnswer, ...MemoryAnswer[]]): MemoryAnswer {
  const [first, ...others] = answers
  const all = others.reduce(joined, first)
  const ends = answers.flatMap(({ next }) => next ?? [])
  if (ends.length === 0) return { ...all, next: null }
  const next = Math.min(...ends)
  return { ...all, pages: all.pages.filter(({ page }) => page < next), next }
}

function joinedNode(a: NodeView, b: NodeView | undefined): NodeView {
  if (b === undefined) return a
  const worse = Math.max(MEMORY_LEVELS.indexOf(a.level), MEMORY_LEVELS.indexOf(b.level))
  return {
    node: a.node,
    frames: a.frames + b.frames,
    free: a.free + b.free,
    leased: a.leased + b.leased,
    shared: a.shared + b.shared,
    dead: a.dead || b.dead,
    level: MEMORY_LEVELS[worse] ?? "high",
  }
}

function joinedStore(a: MemoryAnswer["store"], b: MemoryAnswer["store"]): MemoryAnswer["store"] {
  if (a === null || b === null) return a ?? b
  return { pages: a.pages + b.pages, slots: a.slots + b.slots, slotsMax: a.slotsMax + b.slotsMax }
}

function joinedSpace(a: SpaceView, b: SpaceView): SpaceView {
  const each = (x: readonly number[], y: readonly number[]): number[] => x.map((count, index) => count + (y[index] ?? 0))
  return {
    ...a,
    pages: a.pages + b.pages,
    byHome: each(a.byHome, b.byHome),
    reads: each(a.reads, b.reads),
    writes: each(a.writes, b.writes),
    localMisses: a.localMisses + b.localMisses,
    remoteMisses: a.remoteMisses + b.remoteMisses,
    migrations: a.migrations + b.migrations,
    replications: a.replications + b.replications,
    refused: a.refused + b.refused,
    stored: {
      swapped: a.stored.swapped + b.stored.swapped,
      shared: a.stored.shared + b.stored.shared,
      given: a.stored.given + b.stored.given,
    },
    swapIns: a.swapIns + b.swapIns,
    swapOuts: a.swapOuts + b.swapOuts,
    balloon: a.balloon + b.balloon,
    lost: a.lost + b.lost,
    hurt: [...a.hurt, ...b.hurt],
    together: [...a.together, ...b.together].slice(0, TOGETHER_MAX),
  }
}

const TOGETHER_MAX = 16
