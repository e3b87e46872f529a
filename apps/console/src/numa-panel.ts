/** The nodes as places: whose tasks run where, how far from their memory, and how many frames of each node are leased. */
import { redraw, table, part } from "./elements.ts"
import { label, shape } from "./gantt.ts"
import type { MachineData } from "./machine-data.ts"

const BOX = { width: 250, height: 120, gap: 90 } as const

export function drawNuma(machine: MachineData): void {
  const places = placesOf(machine)
  redraw(part("numa"), places, () => [drawing(places), words(places)])
}

interface Place {
  readonly node: number
  readonly free: number
  readonly leased: number
  readonly local: number
  /** Tasks here whose frames lie on another node, by that node. */
  readonly remote: Readonly<Record<string, number>>
}

function placesOf({ nodes, memory }: MachineData): readonly Place[] {
  return nodes.map((node, index) => {
    const leases = (memory?.leases ?? []).filter((lease) => lease.home === index)
    const tasks = node?.tasks ?? []
    const remote: Record<string, number> = {}
    for (const { home } of tasks) if (home !== undefined && home !== index) remote[home] = (remote[home] ?? 0) + 1
    return {
      node: index,
      free: memory?.free[index] ?? 0,
      leased: leases.reduce((sum, lease) => sum + lease.frames, 0),
      local: tasks.filter(({ home }) => home === undefined || home === index).length,
      remote,
    }
  })
}

function drawing(places: readonly Place[]): SVGElement {
  const width = places.length * (BOX.width + BOX.gap) - BOX.gap
  const words = `${places.length} nodes with their frames and the tasks on them`
  const svg = shape("svg", {
    viewBox: `0 0 ${Math.max(BOX.width, width)} ${BOX.height + 4}`,
    width: "100%",
    role: "img",
    "aria-label": words,
  })
  for (const { node, free, leased, local, remote } of places) {
    const x = node * (BOX.width + BOX.gap)
    const share = free + leased === 0 ? 0 : leased / (free + leased)
    svg.append(shape("rect", { x: x + 1, y: 1, width: BOX.width - 2, height: BOX.height, rx: 8, class: "place" }))
    svg.append(label(`node ${node}`, { x: x + 12, y: 22 }))
    svg.append(shape("rect", { x: x + 12, y: 34, width: BOX.width - 24, height: 12, rx: 3, class: "free" }))
    svg.append(shape("rect", { x: x + 12, y: 34, width: (BOX.width - 24) * share, height: 12, rx: 3, class: "leased" }))
    svg.append(label(`${leased} frames leased, ${free} free`, { x: x + 12, y: 64, class: "faint" }))
    svg.append(label(`${local} tasks beside their memory`, { x: x + 12, y: 86 }))
    const away = Object.values(remote).reduce((sum, count) => sum + count, 0)
    svg.append(label(`${away} tasks away from it`, { x: x + 12, y: 106 }))
    for (const [home, count] of Object.entries(remote)) svg.append(...arrow(node, Number(home), count))
  }
  return svg
}

/** From where the task runs to where its frames are. */
function arrow(from: number, to: number, count: number): readonly SVGElement[] {
  const isRight = to > from
  const start = from * (BOX.width + BOX.gap) + (isRight ? BOX.width : 0)
  const end = to * (BOX.width + BOX.gap) + (isRight ? 0 : BOX.width)
  const y = isRight ? 46 : 82
  const tip = isRight ? -8 : 8
  return [
    shape("path", { d: `M${start} ${y}H${end + tip}m0 -5l${-tip} 5l${tip} 5z`, class: "arrow", "stroke-width": Math.min(6, 1 + count) }),
    label(String(count), { x: (start + end) / 2, y: y - 6, "text-anchor": "middle", class: "faint" }),
  ]
}

function words(places: readonly Place[]): HTMLElement {
  const element = table(
    "nodes",
    ["node", "frames leased", "frames free", "local tasks", "remote tasks"],
    places.map(({ node, leased, free, local, remote }) => [
      String(node),
      String(leased),
      String(free),
      String(local),
      String(Object.values(remote).reduce((sum, count) => sum + count, 0)),
    ]),
  )
  element.className = "visually-hidden"
  return element
}
