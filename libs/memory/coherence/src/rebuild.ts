/**
 * The directory entry of a page after the home has begun a new life, from what the nodes and the frame store report.
 *
 * An owner has the freshest bytes. Without one, a copy that is newer than the frame store's was on its way when the home died: the page
 * is in state D, and those bytes are written back before anybody is served.
 */
import { bit } from "./flow.ts"
import { newHomeEntry, type HomeEntry } from "./home-entry.ts"
import type { HeldPage } from "./page-record.ts"
import type { Protocol } from "./rules.ts"

export interface ReportedPage extends HeldPage {
  readonly node: number
}

export interface PageReports {
  readonly nodes: number
  readonly stored: number
  /** Serial with which the frame came to lie where it does. */
  readonly since?: number
  readonly held: readonly ReportedPage[]
}

export function rebuiltEntry({ rules }: Protocol, { nodes, stored, since = 0, held }: PageReports): HomeEntry {
  const entry = newHomeEntry(nodes)
  entry.serial = rules.rebuiltSerial([stored, since, ...held.flatMap(({ serial, version }) => [serial, version])])
  // A node may still give a page back that others were granted since, as it was not told that the home has it: its grant is the older one.
  const granted = held.filter(({ holds }) => holds !== "retained").map(({ serial }) => serial)
  for (const { node, holds, serial } of held) {
    if (holds === "owner" && rules.ownerStands(serial, granted)) entry.owner = node
    if (holds === "shared") entry.sharers |= bit(node)
  }
  const newest = held.reduce((best, { version }) => Math.max(best, version), 0)
  const freshest = held.filter(({ version }) => version === newest).sort((a, b) => rank(a) - rank(b) || a.node - b.node)[0]
  if (entry.owner >= 0) {
    entry.sharers = 0
    entry.state = "X"
  } else if (freshest !== undefined && rules.copyIsNewer(newest, stored)) {
    entry.source = freshest.node
    entry.state = "D"
  } else entry.state = entry.sharers === 0 ? "U" : "S"
  return entry
}

/** A copy that is used before one that is only kept. */
function rank({ holds }: ReportedPage): number {
  return holds === "retained" ? 1 : 0
}
