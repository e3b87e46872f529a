/** Maps and counts of shared memory as text. */
import type { MemoryAnswer, PageView, SpaceView } from "@backplane/memory-contract/memory-operator-messages"

export function mapText({ nodes, spaces, pages }: MemoryAnswer): string {
  const lines = nodes.map(
    ({ node, frames, free, leased, shared, dead }) =>
      `node ${node}  ${frames} frames: ${free} free, ${leased} leased, ${shared} shared${dead ? "  DEAD" : ""}`,
  )
  if (spaces.length === 0) lines.push("no shared memory: `backplane memory run` makes one")
  for (const space of spaces) lines.push(spaceLine(space))
  return [...lines, ...pages.map(pageLine)].join("\n")
}

export function statsText({ spaces }: MemoryAnswer): string {
  if (spaces.length === 0) return "no shared memory: `backplane memory run` makes one"
  return spaces
    .map(({ space, localMisses, remoteMisses, migrations, replications, refused, lost, reads, writes, together }) => {
      const all = localMisses + remoteMisses
      return [
        `${space}: ${all} misses, ${all === 0 ? 0 : Math.round((localMisses / all) * 100)} % local; ${migrations} migrations, ${replications} copies pushed, ${refused} refused, ${lost} lost`,
        ...reads.map((count, node) => `  node ${node}: ${count} read, ${writes[node] ?? 0} write`),
        ...together.map(({ page, nodes }) => `  page ${page} is written in turn by nodes ${nodes.join(", ")}: their vCPUs belong together`),
      ].join("\n")
    })
    .join("\n")
}

function spaceLine({ space, pages, byHome, rules, lost, hurt }: SpaceView): string {
  const { placement, migrate, replicate } = rules
  const where = placement.kind === "local" ? ` ${placement.node}` : placement.kind === "bind" ? ` ${placement.nodes.join(",")}` : ""
  const moves = [...(migrate ? ["migrate"] : []), ...(replicate ? ["replicate"] : [])].join(", ")
  const dead = hurt.map((each) => `  node ${each.node} died with ${each.lost} pages`).join("")
  const frames = byHome.map((count, node) => `node ${node}: ${count}`).join(", ")
  return `${space}  ${pages} pages (${frames}); ${placement.kind}${where}${moves === "" ? "" : `, ${moves}`}${lost > 0 ? `; ${lost} lost` : ""}${dead}`
}

export function pageLine({ page, home, state, owner, sharers, reads, writes, moves }: PageView): string {
  const holders = owner !== null ? `owner ${owner}` : sharers.length > 0 ? `sharers ${sharers.join(",")}` : ""
  const misses = reads.map((count, node) => `${count}/${writes[node] ?? 0}`).join(" ")
  return `  page ${String(page).padStart(5)}  node ${home}  ${state.padEnd(4)} ${holders.padEnd(14)} misses ${misses}${moves > 0 ? `  moved ${moves}` : ""}`
}
