/** The nodes as places: whose pages lie where, whose tasks run far from theirs, and what has moved between the nodes in the last minute. */
import { part, redraw, table } from "./elements.ts"
import { colourOf, label, shape } from "./gantt.ts"
import type { MachineData } from "./machine-data.ts"
import { Traffic, type Moves } from "./traffic.ts"

const BOX = { width: 250, height: 120, gap: 90 } as const

export class NumaPanel {
  readonly #traffic = new Traffic()

  /** `now`: milliseconds of any clock that only goes on. */
  draw(machine: MachineData, now: number): void {
    this.#traffic.see(machine, now)
    const places = placesOf(machine)
    const moves = this.#traffic.moves(now)
    redraw(part("numa"), [places, moves], () => [drawing(places, moves), words(places), owners(places)])
  }
}

interface Place {
  readonly node: number
  readonly free: number
  readonly leased: number
  /** The most first. */
  readonly owners: readonly { readonly owner: string; readonly frames: number }[]
  readonly local: number
  /** Tasks here whose frames lie on another node. */
  readonly remote: number
}

function placesOf({ nodes, memory }: MachineData): readonly Place[] {
  return nodes.map((node, index) => {
    const frames = new Map<string, number>()
    for (const lease of memory?.leases ?? [])
      if (lease.home === index) frames.set(lease.owner, (frames.get(lease.owner) ?? 0) + lease.frames)
    const tasks = node?.tasks ?? []
    const remote = tasks.filter(({ home }) => home !== undefined && home !== index).length
    return {
      node: index,
      free: memory?.free[index] ?? 0,
      leased: [...frames.values()].reduce((sum, count) => sum + count, 0),
      owners: [...frames].map(([owner, count]) => ({ owner, frames: count })).sort((a, b) => b.frames - a.frames),
      local: tasks.length - remote,
      remote,
    }
  })
}

function drawing(places: readonly Place[], moves: Moves): SVGElement {
  const width = places.length * (BOX.width + BOX.gap) - BOX.gap
  const words = `${places.length} nodes with their frames by owner, the tasks on them, and what moved between them`
  const svg = shape("svg", {
    viewBox: `0 0 ${Math.max(BOX.width, width)} ${BOX.height + 4}`,
    width: "100%",
    role: "img",
    "aria-label": words,
  })
  for (const { node, free, leased, owners: ownersHere, local, remote } of places) {
    const x = node * (BOX.width + BOX.gap)
    svg.append(shape("rect", { x: x + 1, y: 1, width: BOX.width - 2, height: BOX.height, rx: 8, class: "place" }))
    svg.append(label(`node ${node}`, { x: x + 12, y: 22 }))
    svg.append(shape("rect", { x: x + 12, y: 32, width: BOX.width - 24, height: 14, rx: 3, class: "free" }))
    const scale = free + leased === 0 ? 0 : (BOX.width - 24) / (free + leased)
    let at = x + 12
    for (const { owner, frames } of ownersHere) {
      const bar = shape("rect", { x: at, y: 32, width: Math.max(0.5, frames * scale), height: 14, fill: colourOf(taskOf(owner)) })
      const title = shape("title", {})
      title.textContent = `${owner}: ${frames} frames`
      bar.append(title)
      svg.append(bar)
      at += frames * scale
    }
    svg.append(label(`${leased} frames leased, ${free} free`, { x: x + 12, y: 64, class: "faint" }))
    svg.append(label(`${local} tasks beside their memory`, { x: x + 12, y: 86 }))
    svg.append(label(`${remote} tasks away from it`, { x: x + 12, y: 106 }))
  }
  for (const { from, to, count } of moves) svg.append(...arrow(from, to, count))
  return svg
}

/** A vCPU's frames are its VM's: both in one colour. */
function taskOf(owner: string): string {
  return owner.replace(/\.\d+$/, "")
}

/** Tasks that went from one node to another in the last minute; to a neighbour as an arrow, further away only in words. */
function arrow(from: number, to: number, count: number): readonly SVGElement[] {
  if (Math.abs(from - to) !== 1) return []
  const isRight = to > from
  const start = from * (BOX.width + BOX.gap) + (isRight ? BOX.width : 0)
  const end = to * (BOX.width + BOX.gap) + (isRight ? 0 : BOX.width)
  const y = isRight ? 46 : 82
  const tip = isRight ? -8 : 8
  return [
    shape("path", {
      d: `M${start} ${y}H${end + tip}m0 -5l${-tip} 5l${tip} 5z`,
      class: "arrow",
      "stroke-width": Math.min(5, 1 + count / 10),
    }),
    label(`${count} moved`, { x: (start + end) / 2, y: y - 7, "text-anchor": "middle", class: "faint" }),
  ]
}

function words(places: readonly Place[]): HTMLElement {
  const element = table(
    "nodes",
    ["node", "frames leased", "frames free", "local tasks", "remote tasks"],
    places.map(({ node, leased, free, local, remote }) => [node, leased, free, local, remote].map(String)),
  )
  element.className = "visually-hidden"
  return element
}

function owners(places: readonly Place[]): HTMLElement {
  const rows = places.flatMap(({ node, owners: here }) => here.map(({ owner, frames }) => [String(node), owner, String(frames)]))
  const element = table("frames by owner", ["node", "owner", "frames"], rows)
  element.className = "visually-hidden"
  return element
}
