/** What a node tells a home in a new life, in parts that fit in a message each. */
import type { PagesReport } from "@backplane/memory-contract/coherence-messages"

export type SpacePages = PagesReport["spaces"][number]

/** Numbers of one list in one part: a multiple of what each page has. */
const NUMBERS_MAX = 36_000

/** At least one: a node that has nothing says so. */
export function pagesReports(node: number, epoch: number, spaces: readonly SpacePages[]): readonly PagesReport[] {
  const pieces: SpacePages[] = spaces.flatMap(({ space, held, stored }) =>
    Array.from({ length: Math.max(1, Math.ceil(Math.max(held.length, stored.length) / NUMBERS_MAX)) }, (_, part) => ({
      space,
      held: held.slice(part * NUMBERS_MAX, (part + 1) * NUMBERS_MAX),
      stored: stored.slice(part * NUMBERS_MAX, (part + 1) * NUMBERS_MAX),
    })),
  )
  const parts = Math.max(1, pieces.length)
  return Array.from({ length: parts }, (_, part) => {
    const piece = pieces[part]
    return { kind: "PagesReport", node, epoch, part, parts, spaces: piece === undefined ? [] : [piece] }
  })
}
