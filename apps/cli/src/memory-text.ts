/** Maps and counts of shared memory as text. */
import type { VmMemory } from "./memory-client.ts"
import type { MemoryAnswer, PageView, SpaceAnswer, SpaceView } from "@backplane/memory-contract/memory-operator-messages"

export type MemoryView = MemoryAnswer & { readonly vms: readonly VmMemory[] }

export function mapText({ nodes, store, spaces, pages, vms }: MemoryView): string {
  const lines = nodes.map(
    ({ node, frames, free, leased, shared, dead, level }) =>
      `node ${node}  ${frames} frames: ${free} free, ${leased} leased, ${shared} shared${level === "high" ? "" : `, short (${level})`}${dead ? "  DEAD" : ""}`,
  )
  if (store !== null) lines.push(storeLine(store))
  for (const each of vms) lines.push(vmMemoryLine(each))
  if (spaces.length === 0) lines.push("no shared memory: `backplane memory run` makes one")
  for (const space of spaces) lines.push(spaceLine(space))
  return [...lines, ...pages.map((page) => pageLine(page, nodes.length))].join("\n")
}

function storeLine({ pages, slots, slotsMax }: NonNullable<MemoryAnswer["store"]>): string {
  return `page store  ${pages} pages in ${slots} frames of ${slotsMax}`
}

function vmMemoryLine({ node, frames, free, promised, sharing, swap }: VmMemory): string {
  const swapped =
    swap === null ? "" : `; ${swap.pages} pages of ${swap.slots} in the swap file (${swap.outs} went out, ${swap.ins} came in)`
  const shared = `${sharing.pages} equal pages in ${sharing.frames} frames (${sharing.saved} saved, ${sharing.broken} written since)`
  return `VMs of node ${node}  ${frames - free} of ${frames} frames in use, ${promised} promised; ${shared}${swapped}`
}

export function statsText({ spaces, store, vms }: MemoryView): string {
  const none = spaces.length === 0 ? ["no shared memory: `backplane memory run` makes one"] : []
  return [
    ...(store === null || spaces.length === 0 ? [] : [storeLine(store)]),
    ...vms.map(vmMemoryLine),
    ...none,
    ...spaces.map(spaceText),
  ].join("\n")
}

function spaceText(view: SpaceView): string {
  const { space, localMisses, remoteMisses, migrations, replications, refused, lost, reads, writes, together } = view
  const { stored, swapIns, swapOuts, balloon } = view
  const all = localMisses + remoteMisses
  const away = stored.swapped + stored.shared + stored.given
  return [
    `${space}: ${all} misses, ${all === 0 ? 0 : Math.round((localMisses / all) * 100)} % local; ${migrations} migrations, ${replications} copies pushed, ${refused} refused, ${lost} lost`,
    ...reads.map((count, node) => `  node ${node}: ${count} read, ${writes[node] ?? 0} write`),
    ...(away + swapOuts + balloon === 0
      ? []
      : [
          `  page store: ${stored.swapped} swapped, ${stored.shared} shared with equal ones, ${stored.given} given back of ${balloon} asked for; ${swapOuts} went out, ${swapIns} came in`,
        ]),
    ...together.map(({ page, nodes }) => `  page ${page} is written in turn by nodes ${nodes.join(", ")}: their vCPUs belong together`),
  ].join("\n")
}

function spaceLine({ space, pages, byHome, rules, lost, hurt }: SpaceView): string {
  const { placement, migrate, replicate, follow, share, framesMax } = rules
  const where = placement.kind === "local" ? ` ${placement.node}` : placement.kind === "bind" ? ` ${placement.nodes.join(",")}` : ""
  const moves = [
    ...(migrate ? ["migrate"] : []),
    ...(follow === true ? ["follow"] : []),
    ...(replicate ? ["replicate"] : []),
    ...(share === true ? ["share"] : []),
    ...(framesMax === undefined ? [] : [`at most ${framesMax} frames`]),
  ].join(", ")
  const dead = hurt.map((each) => `  node ${each.node} died with ${each.lost} pages`).join("")
  const frames = byHome.map((count, node) => `node ${node}: ${count}`).join(", ")
  return `${space}  ${pages} pages (${frames}); ${placement.kind}${where}${moves === "" ? "" : `, ${moves}`}${lost > 0 ? `; ${lost} lost` : ""}${dead}`
}

/** `nodes`: how many there are; the number behind them is the page store's. */
export function pageLine({ page, home, state, owner, sharers, reads, writes, moves }: PageView, nodes: number): string {
  const holders = owner !== null ? `owner ${owner}` : sharers.length > 0 ? `sharers ${sharers.join(",")}` : ""
  const misses = reads.map((count, node) => `${count}/${writes[node] ?? 0}`).join(" ")
  return `  page ${String(page).padStart(5)}  ${home === nodes ? "store" : `node ${home}`}  ${state.padEnd(4)} ${holders.padEnd(14)} misses ${misses}${moves > 0 ? `  moved ${moves}` : ""}`
}

export function hartLine({ hart, state, instructions, result }: SpaceAnswer["harts"][number]): string {
  return `hart ${hart}: ${state}, ${instructions} instructions, a0 ${result}`
}
