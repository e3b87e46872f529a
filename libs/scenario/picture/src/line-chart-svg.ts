/** A few series over one axis, such as time per lock acquisition over CPUs: lines with points, each named at its end. */
import { assert } from "@backplane/foundation-base/assert"
import { decimal, element, escapeXml, picture, text } from "./svg-text.ts"

export interface LineChart {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Ascending. */
  readonly x: readonly number[]
  /** `linear` from 0, or each doubling of x as wide as the last. */
  readonly xScale: "linear" | "doubling"
  /** `linear` from 0 if not given; `log`: each factor as high as the same factor elsewhere, for values of several powers of ten. All are above 0 then. */
  readonly yScale?: "linear" | "log"
  /** One value for each x; null: none. */
  readonly series: readonly { readonly name: string; readonly y: readonly (number | null)[] }[]
}

const LEFT = 74
const TOP = 52
const BOTTOM = 46
const HEIGHT = 340
const NAMES = 150
const GRID_LINES = 4
/** Told apart by colour and by dashes. */
const LOOKS = [
  ["#3b82c4", ""],
  ["#c4523b", "6 3"],
  ["#2a8a57", "2 3"],
  ["#8a5ac4", "8 3 2 3"],
  ["#b0821e", "10 4"],
  ["#4a5560", "4 4"],
] as const
const STYLE = ".grid{stroke:#d8dee4;stroke-width:1}@media(prefers-color-scheme:dark){.grid{stroke:#30363d}}"

export function lineChartSvg(chart: LineChart, options: { readonly width?: number } = {}): string {
  const width = options.width ?? 640
  const scale = scaleOf(chart)
  const place = (x: number): number => LEFT + position(chart, x) * (width - LEFT - NAMES)
  const height = (y: number): number => TOP + (1 - scale.share(y)) * (HEIGHT - TOP - BOTTOM)
  const body = [
    text({ x: 16, y: 24, class: "head" }, chart.title),
    text({ x: 16, y: 42, class: "faint" }, chart.yLabel),
    text({ x: LEFT, y: HEIGHT - 10, class: "faint" }, chart.xLabel),
    ...scale.marks.map((mark) => grid(height(mark), mark, width)),
    ...chart.x.map((x) => text({ x: place(x), y: HEIGHT - BOTTOM + 18, anchor: "middle" }, decimal(x))),
    ...endLabels(chart, height).map(({ name, y }) => text({ x: width - NAMES + 10, y: y + 4 }, name)),
    ...chart.series.flatMap((series, index) => line(chart, series, index, { place, height })),
  ]
  return picture({ width, height: HEIGHT, title: chart.title, description: describe(chart), style: STYLE }, body)
}

interface Scale {
  readonly marks: readonly number[]
  /** 0…1 from the bottom up. */
  readonly share: (value: number) => number
}

function scaleOf({ series, yScale = "linear" }: LineChart): Scale {
  const values = series.flatMap(({ y }) => y.filter((value) => value !== null))
  if (yScale === "log") return logScale(values)
  const top = niceAbove(Math.max(1e-9, ...values))
  const marks = Array.from({ length: GRID_LINES + 1 }, (_, index) => (top * index) / GRID_LINES)
  return { marks, share: (value) => value / top }
}

/** From the mark below the least to the one above the most; within two powers of ten, marks at 2 and 5 of each, too. */
function logScale(values: readonly number[]): Scale {
  assert(values.length > 0 && values.every((value) => value > 0), "a logarithmic axis has no place for 0")
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const first = Math.floor(Math.log10(least))
  const powers = Array.from({ length: Math.ceil(Math.log10(most)) - first + 1 }, (_, index) => 10 ** (first + index))
  const all = powers.length > 3 ? powers : powers.flatMap((power) => [power, 2 * power, 5 * power])
  const [bottom, top] = [all.findLast((mark) => mark <= least) ?? least, all.find((mark) => mark >= most && mark > least) ?? 2 * most]
  return {
    marks: all.filter((mark) => mark >= bottom && mark <= top),
    share: (value) => Math.log(value / bottom) / Math.log(top / bottom),
  }
}

/** 0…1 along the axis. */
function position({ x: all, xScale }: LineChart, x: number): number {
  const [first, last] = [all[0] ?? 0, all.at(-1) ?? 1]
  if (xScale === "linear") return last === 0 ? 0 : x / last
  return first === last ? 0 : Math.log2(x / first) / Math.log2(last / first)
}

function grid(y: number, value: number, width: number): string {
  const label = text({ x: LEFT - 8, y: y + 4, anchor: "end", class: "faint" }, decimal(value))
  return element("line", { x1: LEFT, x2: width - NAMES, y1: y, y2: y, class: "grid" }) + label
}

function line(
  chart: LineChart,
  { name, y }: LineChart["series"][number],
  index: number,
  { place, height }: { readonly place: (x: number) => number; readonly height: (y: number) => number },
): readonly string[] {
  const [colour, dashes] = LOOKS[index % LOOKS.length] ?? LOOKS[0]
  const points = chart.x.flatMap((x, at) => {
    const value = y[at]
    return value === null || value === undefined
      ? []
      : [{ x: place(x), y: height(value), words: `${name}, ${decimal(x)}: ${decimal(value)}` }]
  })
  const path = points.map((point) => `${decimal(point.x)},${decimal(point.y)}`).join(" ")
  const dots = points.map((point) =>
    element("circle", { cx: point.x, cy: point.y, r: 3, fill: colour }, element("title", {}, escapeXml(point.words))),
  )
  return [element("polyline", { points: path, fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dashes }), ...dots]
}

/** Names beside the last points, moved apart where lines end together. */
function endLabels(chart: LineChart, height: (y: number) => number): readonly { readonly name: string; readonly y: number }[] {
  const labels = chart.series.map(({ name, y }) => ({ name, y: height(y.findLast((value) => value !== null) ?? 0) }))
  labels.sort((a, b) => a.y - b.y || (a.name < b.name ? -1 : 1))
  let last = -Infinity
  return labels.map(({ name, y }) => {
    last = Math.max(y, last + 16)
    return { name, y: last }
  })
}

/** 1, 2, 2.5 or 5 times a power of ten. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 2.5, 5, 10].find((factor) => power * factor >= value) ?? 10)
}

function describe({ series, x, xLabel }: LineChart): string {
  return series
    .map(
      ({ name, y }) =>
        `${name}: ${y.map((value, at) => (value === null ? "" : `${decimal(value)} at ${decimal(x[at] ?? 0)} ${xLabel}`)).join(", ")}.`,
    )
    .join(" ")
}
