/** Policies side by side: makespan (shorter is better), utilisation and warm share (longer is better), one panel each. */
import { decimal, element, escapeXml, percent, picture, text } from "./svg-text.ts"

export interface PolicyResult {
  readonly policy: string
  /** Ticks until the last job was done. */
  readonly makespan: number
  /** Share of all CPU ticks that ran something, 0 to 1. */
  readonly utilisation: number
  /** Share of the busy ticks with a warm cache, 0 to 1. */
  readonly warm: number
}

interface Panel {
  readonly name: string
  readonly hint: string
  readonly value: (result: PolicyResult) => number
  readonly words: (value: number) => string
  /** The value that fills the width; null: the largest. */
  readonly full: number | null
  readonly isBest: (value: number, best: number) => boolean
  readonly best: (values: readonly number[]) => number
}

const PANELS: readonly Panel[] = [
  {
    name: "Makespan",
    hint: "ticks, shorter is better",
    value: (r) => r.makespan,
    words: decimal,
    full: null,
    isBest: (v, b) => v === b,
    best: (all) => Math.min(...all),
  },
  {
    name: "Utilisation",
    hint: "of all CPU ticks, longer is better",
    value: (r) => r.utilisation,
    words: percent,
    full: 1,
    isBest: (v, b) => v === b,
    best: (all) => Math.max(...all),
  },
  {
    name: "Warm",
    hint: "of the busy ticks, longer is better",
    value: (r) => r.warm,
    words: percent,
    full: 1,
    isBest: (v, b) => v === b,
    best: (all) => Math.max(...all),
  },
]

const LABEL = 110
const VALUE = 90
const BAR = 18
const ROW = 24
const HEAD = 46
const PANEL_GAP = 22
const STYLE =
  ".bar{fill:#3b82c4}.best{fill:#2a8a57}.track{fill:#eaeef2}@media(prefers-color-scheme:dark){.track{fill:#21262d}.bar{fill:#6cb0ef}.best{fill:#4fc38a}}"

export function comparisonSvg(title: string, results: readonly PolicyResult[], options: { readonly width?: number } = {}): string {
  const width = options.width ?? 640
  const panelHeight = HEAD + results.length * ROW
  const body = [text({ x: 16, y: 24, class: "head" }, title)]
  PANELS.forEach((panel, index) => body.push(...panelSvg(panel, results, { top: 40 + index * (panelHeight + PANEL_GAP), width })))
  const height = 40 + PANELS.length * (panelHeight + PANEL_GAP)
  return picture({ width, height, title, description: describe(results), style: STYLE }, body)
}

function panelSvg(
  panel: Panel,
  results: readonly PolicyResult[],
  place: { readonly top: number; readonly width: number },
): readonly string[] {
  const values = results.map(panel.value)
  const full = panel.full ?? Math.max(1, ...values)
  const best = panel.best(values)
  const room = place.width - LABEL - VALUE
  const head = [text({ x: 16, y: place.top + 18 }, panel.name), text({ x: LABEL, y: place.top + 18, class: "faint" }, panel.hint)]
  const bars = results.flatMap((result, index) => {
    const value = panel.value(result)
    const y = place.top + 30 + index * ROW
    const isBest = panel.isBest(value, best)
    const words = `${panel.words(value)}${isBest ? " best" : ""}`
    const title = element("title", {}, escapeXml(`${result.policy}: ${panel.name.toLowerCase()} ${panel.words(value)}`))
    return [
      text({ x: LABEL - 8, y: y + 13, anchor: "end" }, result.policy),
      element("rect", { x: LABEL, y, width: room, height: BAR, rx: 3, class: "track" }),
      element(
        "rect",
        { x: LABEL, y, width: Math.max(0, Math.min(1, value / full)) * room, height: BAR, rx: 3, class: isBest ? "best" : "bar" },
        title,
      ),
      text({ x: LABEL + room + 6, y: y + 13 }, words),
    ]
  })
  return [...head, ...bars]
}

function describe(results: readonly PolicyResult[]): string {
  return results
    .map((r) => `${r.policy}: makespan ${decimal(r.makespan)} ticks, utilisation ${percent(r.utilisation)}, warm ${percent(r.warm)}.`)
    .join(" ")
}
