/** Groups of bars on one scale, each with its name and its value: such as a share before, after, and as published, by workload. */
import { decimal, element, escapeXml, picture, text } from "./svg-text.ts"

export interface BarChart {
  readonly title: string
  /** What the values are, and which way is better. */
  readonly hint: string
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[]
}

export interface Bar {
  readonly name: string
  readonly value: number
  /** As it shall be read, with its unit. */
  readonly words: string
  /** `other`: somebody else's figure, drawn hollow. */
  readonly whose: "ours" | "other"
}

const LABEL = 190
const VALUE = 90
const ROW = 22
const BAR = 16
const HEAD = 56
const GROUP_GAP = 34
const STYLE =
  ".bar{fill:#3b82c4}.other{fill:none;stroke:#6e7781;stroke-width:1.5;stroke-dasharray:4 2}@media(prefers-color-scheme:dark){.bar{fill:#6cb0ef}.other{stroke:#8b949e}}"

export function barChartSvg(chart: BarChart, options: { readonly width?: number } = {}): string {
  const width = options.width ?? 640
  const most = Math.max(1e-9, ...chart.groups.flatMap(({ bars }) => bars.map(({ value }) => value)))
  const room = width - LABEL - VALUE
  const body = [text({ x: 16, y: 24, class: "head" }, chart.title), text({ x: 16, y: 42, class: "faint" }, chart.hint)]
  let y = HEAD
  for (const { name, bars } of chart.groups) {
    if (name !== "") body.push(text({ x: 16, y: y + 14 }, name))
    if (name !== "") y += ROW
    for (const bar of bars) {
      const look = bar.whose === "ours" ? "bar" : "other"
      const title = element("title", {}, escapeXml(`${name === "" ? "" : `${name}, `}${bar.name}: ${bar.words}`))
      const length = Math.max(0, (bar.value / most) * room)
      body.push(
        text({ x: LABEL - 8, y: y + 13, anchor: "end" }, bar.name),
        element("rect", { x: LABEL, y, width: length, height: BAR, rx: 3, class: look }, title),
        text({ x: LABEL + length + 6, y: y + 13 }, bar.words),
      )
      y += ROW
    }
    y += GROUP_GAP - ROW
  }
  return picture({ width, height: y + 6, title: chart.title, description: describe(chart), style: STYLE }, body)
}

function describe({ groups }: BarChart): string {
  return groups
    .map(
      ({ name, bars }) =>
        `${name === "" ? "" : `${name}: `}${bars.map((bar) => `${bar.name} ${bar.words} (${decimal(bar.value)})`).join(", ")}.`,
    )
    .join(" ")
}
