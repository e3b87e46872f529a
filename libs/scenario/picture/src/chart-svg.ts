/** A figure over another, as lines; or one figure of several things, as bars. Small, labelled where they end, without a legend to look up. */
import { decimal, element, escapeXml, picture, text } from "./svg-text.ts"

export interface LineChart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Where the points lie, evenly spaced whatever they say. */
  readonly x: readonly (string | number)[]
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[]
}

export interface BarChart {
  readonly title: string
  readonly yLabel: string
  readonly bars: readonly { readonly label: string; readonly value: number; readonly isGood: boolean }[]
}

const WIDTH = 660
const LEFT = 64
const RIGHT = 150
const TOP = 64
const PLOT = 230
const FOOT = 56
const TICKS = 4
/** Line ends nearer than this share a place: their names are moved apart. */
const NAME_GAP = 14
const COLOURS = ["#3b82c4", "#d9822b", "#2a8a57", "#a24cc0", "#c0392b", "#7a6a3a"]
const DASHES = ["", "6 3", "2 3", "8 3 2 3", "1 2", "10 4"]
const STYLE = ".line2{fill:none;stroke-width:2}.bar{fill:#d9822b}.good{fill:#2a8a57}.small{font-size:11px}"

export function lineChartSvg({ title, xLabel, yLabel, x, lines }: LineChart): string {
  const most = niceTop(Math.max(0, ...lines.flatMap(({ values }) => values)))
  const xAt = (index: number): number => LEFT + (x.length < 2 ? 0 : (index * (WIDTH - LEFT - RIGHT)) / (x.length - 1))
  const yAt = (value: number): number => TOP + PLOT - (most === 0 ? 0 : (value / most) * PLOT)
  const names = spread(lines.map(({ values }) => yAt(values.at(-1) ?? 0)))
  const body = [
    ...frame({ title, yLabel, most, yAt, right: WIDTH - RIGHT }),
    ...x.map((label, index) => text({ x: xAt(index), y: TOP + PLOT + 18, anchor: "middle", class: "small" }, String(label))),
    text({ x: (LEFT + WIDTH - RIGHT) / 2, y: TOP + PLOT + 40, anchor: "middle", class: "faint" }, xLabel),
    ...lines.flatMap(({ name, values }, index) => {
      const colour = COLOURS[index % COLOURS.length] ?? "#000"
      const points = values.map((value, at) => `${decimal(xAt(at))},${decimal(yAt(value))}`).join(" ")
      return [
        element("polyline", { points, class: "line2", stroke: colour, "stroke-dasharray": DASHES[index % DASHES.length] ?? "" }),
        ...values.map((value, at) =>
          element(
            "circle",
            { cx: xAt(at), cy: yAt(value), r: 3, fill: colour },
            element("title", {}, escapeXml(`${name}, ${x[at]}: ${decimal(value)}`)),
          ),
        ),
        text({ x: WIDTH - RIGHT + 8, y: (names[index] ?? 0) + 4, class: "small" }, name),
      ]
    }),
  ]
  const description = lines
    .map(({ name, values }) => `${name}: ${values.map((value, at) => `${x[at]} ${decimal(value)}`).join(", ")}.`)
    .join(" ")
  return picture(
    { width: WIDTH, height: TOP + PLOT + FOOT, title, description: `${yLabel} over ${xLabel}. ${description}`, style: STYLE },
    body,
  )
}

export function barChartSvg({ title, yLabel, bars }: BarChart): string {
  const most = niceTop(Math.max(0, ...bars.map(({ value }) => value)))
  const yAt = (value: number): number => TOP + PLOT - (most === 0 ? 0 : (value / most) * PLOT)
  const room = (WIDTH - LEFT - 20) / Math.max(1, bars.length)
  const body = [
    ...frame({ title, yLabel, most, yAt, right: WIDTH - 20 }),
    ...bars.flatMap(({ label, value, isGood }, index) => {
      const x = LEFT + index * room
      const middle = x + room / 2
      const rect = {
        x: x + room * 0.18,
        y: yAt(value),
        width: room * 0.64,
        height: TOP + PLOT - yAt(value),
        rx: 2,
        class: isGood ? "good" : "bar",
      }
      return [
        element("rect", rect, element("title", {}, escapeXml(`${label}: ${decimal(value)}`))),
        text({ x: middle, y: yAt(value) - 5, anchor: "middle", class: "small" }, decimal(value)),
        ...label.split(" ").map((word, row) => text({ x: middle, y: TOP + PLOT + 16 + row * 13, anchor: "middle", class: "small" }, word)),
      ]
    }),
  ]
  const description = `${yLabel}: ${bars.map(({ label, value }) => `${label} ${decimal(value)}`).join(", ")}.`
  return picture({ width: WIDTH, height: TOP + PLOT + FOOT, title, description, style: STYLE }, body)
}

function frame(parts: {
  readonly title: string
  readonly yLabel: string
  readonly most: number
  readonly yAt: (value: number) => number
  readonly right: number
}): readonly string[] {
  const { title, yLabel, most, yAt, right } = parts
  const steps = Array.from({ length: TICKS + 1 }, (_, step) => (most * step) / TICKS)
  return [
    text({ x: 16, y: 26, class: "head" }, title),
    text({ x: 16, y: 46, class: "faint" }, yLabel),
    ...steps.flatMap((value) => [
      element("line", { x1: LEFT, x2: right, y1: yAt(value), y2: yAt(value), class: "line" }),
      text({ x: LEFT - 8, y: yAt(value) + 4, anchor: "end", class: "small" }, decimal(value)),
    ]),
  ]
}

/** The next of 1, 2, 4, 5 or 8 times a power of ten. */
function niceTop(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 4, 5, 8, 10].find((step) => step * power >= value) ?? 10) * power
}

/** Moves places apart that are too near, keeping their order. */
function spread(places: readonly number[]): readonly number[] {
  const order = [...places.keys()].sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0))
  const moved = [...places]
  let last = -Infinity
  for (const index of order) {
    last = Math.max(places[index] ?? 0, last + NAME_GAP)
    moved[index] = last
  }
  return moved
}
