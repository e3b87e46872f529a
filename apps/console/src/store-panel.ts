/** The key-value store as a ring of partitions: who holds each, what is being moved, how far its replicas are from being equal. */
import { look, Refused } from "./api.ts"
import { part, reason, redraw, say, table } from "./elements.ts"
import { shape } from "./gantt.ts"

interface StoreData {
  readonly epoch: number
  readonly members: readonly { readonly id: string; readonly zone: string }[]
  readonly partitions: number
  readonly moving: number
  /** By partition. */
  readonly holders: readonly (readonly string[])[]
}

/** Of one shard, by the metric's name without its prefix. */
type Measures = ReadonlyMap<string, number>

const EVERY_MILLISECONDS = 2_000
const SIZE = 260
const RINGS = { outer: 120, width: 22, gap: 3 } as const
const COLOURS = ["#5b9bd5", "#e08e45", "#7fb069", "#b07cc6", "#d16a6a", "#4fb3a5", "#c2a83e", "#8a94a0"] as const
const SHOWN: readonly (readonly [metric: string, head: string])[] = [
  ["keys", "keys"],
  ["hints", "hints held"],
  ["unsure_partitions", "unsure"],
  ["reads_apart", "reads that found replicas apart"],
  ["certificate_age_seconds", "oldest certificate, s"],
]

export async function watchStore(): Promise<never> {
  for (;;) {
    try {
      const store = await look<StoreData>("/v1/store")
      draw(store, await measures())
    } catch (error) {
      const absent = error instanceof Refused && error.status === 503
      redraw(part("store"), reason(error), () => [document.createTextNode(absent ? "no shard is running" : reason(error))])
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS))
  }
}

/** From `/metrics`, where every shard tells of itself. */
async function measures(): Promise<ReadonlyMap<string, Measures>> {
  const text = await (await fetch("/metrics?prefix=backplane_kv_")).text()
  const found = new Map<string, Map<string, number>>()
  for (const [, name = "", labels = "", value = ""] of text.matchAll(/^backplane_kv_(\w+)\{([^}]*)\} (\S+)/gm)) {
    const shard = /shard="([^"]+)"/.exec(labels)?.[1]
    if (shard === undefined) continue
    const of = found.get(shard) ?? new Map<string, number>()
    of.set(name, Number(value))
    found.set(shard, of)
  }
  return found
}

function draw(store: StoreData, told: ReadonlyMap<string, Measures>): void {
  const { epoch, members, partitions, moving, holders } = store
  say(
    part("store-now"),
    `${members.length} shards, ${partitions} partitions, configuration ${epoch}${moving === 0 ? "" : `, ${moving} partitions are moving`}`,
  )
  const rows = members.map(({ id, zone }, index) => {
    const held = holders.filter((each) => each.includes(id)).length
    const of = told.get(id)
    return { id, zone, index, held, told: SHOWN.map(([metric]) => of?.get(metric)) }
  })
  redraw(part("store"), [holders, rows], () => [ring(store), listed(rows)])
}

/** Three rings for three replicas, the certifying one outside. */
function ring({ members, partitions, holders }: StoreData): SVGElement {
  const words = `${partitions} partitions of the store in a ring, each with the shards that hold it`
  const svg = shape("svg", { viewBox: `${-SIZE / 2} ${-SIZE / 2} ${SIZE} ${SIZE}`, width: SIZE, role: "img", "aria-label": words })
  const colour = new Map(members.map(({ id }, index) => [id, COLOURS[index % COLOURS.length] ?? COLOURS[0]]))
  for (const [partition, ids] of holders.entries())
    for (const [replica, id] of ids.entries()) {
      const radius = RINGS.outer - replica * (RINGS.width + RINGS.gap) - RINGS.width / 2
      const [from, to] = [partition, partition + 0.9].map((place) => (place / partitions) * 2 * Math.PI - Math.PI / 2) as [number, number]
      const point = (angle: number): string => `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`
      const arc = shape("path", {
        d: `M${point(from)}A${radius} ${radius} 0 0 1 ${point(to)}`,
        fill: "none",
        stroke: colour.get(id) ?? "#888",
        "stroke-width": RINGS.width,
      })
      const title = shape("title", {})
      title.textContent = `partition ${partition}: ${ids.join(", ")}`
      arc.append(title)
      svg.append(arc)
    }
  return svg
}

interface Row {
  readonly id: string
  readonly zone: string
  readonly index: number
  readonly held: number
  readonly told: readonly (number | undefined)[]
}

function listed(rows: readonly Row[]): HTMLElement {
  return table(
    "shards of the store",
    ["shard", "zone", "partitions", ...SHOWN.map(([, head]) => head)],
    rows.map(({ id, zone, index, held, told }) => {
      const name = document.createElement("span")
      const dot = document.createElement("span")
      dot.className = "dot"
      dot.style.background = COLOURS[index % COLOURS.length] ?? COLOURS[0]
      name.append(dot, id)
      return [name, zone, String(held), ...told.map((value) => (value === undefined ? "" : String(Math.round(value))))]
    }),
  )
}
