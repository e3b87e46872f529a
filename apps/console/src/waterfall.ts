/** One trace as a waterfall: spans by time, parents before children, across the services. */
import { label, shape } from "./gantt.ts"

export interface SpanData {
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly name: string
  readonly service: string
  readonly instance: string
  readonly startMicros: number
  readonly endMicros: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
}

const ROW = 22
const WIDTH = 1160
const NAMES = 330
const SPANS_MAX = 60

export function drawWaterfall(spans: readonly SpanData[]): Node {
  const shown = inTreeOrder(spans).slice(0, SPANS_MAX)
  const start = Math.min(...shown.map(({ span }) => span.startMicros))
  const length = Math.max(1, Math.max(...shown.map(({ span }) => span.endMicros)) - start)
  const x = (micros: number): number => NAMES + ((micros - start) / length) * (WIDTH - NAMES - 130)
  const services = new Set(spans.map((span) => span.service)).size
  const words = `trace of ${counted(spans.length, "span")} over ${counted(services, "service")}, ${(length / 1000).toFixed(2)} ms`
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${shown.length * ROW + 24}`, width: "100%", role: "img", "aria-label": words })
  svg.append(label(words, { x: 0, y: 14, class: "faint" }))
  for (const [row, { span, depth }] of shown.entries()) {
    const y = 24 + row * ROW
    const step = span.attributes["backplane.step"]
    svg.append(label(step === undefined ? span.name : `${String(step)}. ${span.name}`, { x: 8 + depth * 12, y: y + 14 }))
    svg.append(label(span.instance, { x: 205 + Math.min(depth, 8) * 4, y: y + 14, class: "faint" }))
    const bar = shape("rect", {
      x: x(span.startMicros),
      y: y + 3,
      width: Math.max(3, x(span.endMicros) - x(span.startMicros)),
      height: ROW - 8,
      rx: 3,
      fill: colourOf(span.service),
    })
    const title = shape("title", {})
    title.textContent = Object.entries(span.attributes)
      .map(([key, value]) => `${key} ${String(value)}`)
      .join("\n")
    bar.append(title)
    svg.append(bar)
    const took = span.endMicros - span.startMicros
    svg.append(
      label(took >= 1000 ? `${(took / 1000).toFixed(2)} ms` : `${took.toFixed(0)} µs`, {
        x: Math.max(x(span.endMicros), x(span.startMicros) + 3) + 6,
        y: y + 14,
        class: "faint",
      }),
    )
  }
  return svg
}

interface Placed {
  readonly span: SpanData
  readonly depth: number
}

function inTreeOrder(spans: readonly SpanData[]): readonly Placed[] {
  const ids = new Set(spans.map((span) => span.spanId))
  const byTime = [...spans].sort((a, b) => a.startMicros - b.startMicros)
  const childrenOf = (parent: string | null): readonly SpanData[] =>
    byTime.filter((span) => (parent === null ? span.parentSpanId === null || !ids.has(span.parentSpanId) : span.parentSpanId === parent))
  const placed: Placed[] = []
  const walk = (parent: string | null, depth: number): void => {
    for (const span of childrenOf(parent)) {
      placed.push({ span, depth })
      walk(span.spanId, depth + 1)
    }
  }
  walk(null, 0)
  return placed
}

const SERVICE_COLOURS: Readonly<Record<string, string>> = {
  "numa-node": "#5b9bd5",
  "cpu-scheduler": "#e08e45",
  hypervisor: "#7fb069",
  "memory-controller": "#b07cc6",
}

function colourOf(service: string): string {
  return SERVICE_COLOURS[service] ?? "#8a94a0"
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
