/**
 * A trace as a moving picture: who takes part, and every message between them, one after the other in the order in which they came.
 *
 * Plain SVG and CSS: it moves wherever an image may, a README included. Readers who want no motion get the same picture with numbered arrows.
 */
import { compareText } from "@backplane/foundation-base/json"
import { grouped } from "@backplane/foundation-base/number-text"
import type { PictureSpan } from "./perfetto-input.ts"
import { decimal, element, picture, text } from "./svg-text.ts"

export interface Message {
  readonly from: string
  readonly to: string
  readonly name: string
  /** Cycles from the start of the trace until it was there. */
  readonly at: number
  /** The numbered step of OSTEP's tables, where the span has one. */
  readonly step: number | null
}

/** More than these are left out, and said so: a picture that goes on for minutes shows nothing. */
const MESSAGES_MAX = 24
const STEP_SECONDS = 1.4
const PAUSE_SECONDS = 2
/** Of a step, the part in which the message travels. */
const TRAVEL = 0.7
const WIDTH = 860
const BOX = { width: 150, height: 44 } as const
const TOP = 48
const ROW = 108
const LINE = 19
/** Between messages of the same two. */
const APART = 13
/** From above to below: who creates and watches, who decides, who holds. */
const ROWS: readonly (readonly string[])[] = [["operator", "hypervisor", "memory", "gateway", "clock"], ["scheduler", "replica"], ["node"]]

const STYLE = [
  ".box{fill:#f6f8fa;stroke:#8c959f}.arrow{stroke:#3b82c4;stroke-width:1.2;opacity:.35;marker-end:url(#tip)}.tip{fill:#3b82c4}.dot{fill:#d9730d;opacity:0}.on{fill:none;stroke:#d9730d;stroke-width:3;opacity:0}.now{fill:#d9730d;opacity:0}.name{font-weight:600}.number{font-size:10.5px}",
  "@media(prefers-color-scheme:dark){.box{fill:#161b22;stroke:#6e7681}.arrow{stroke:#6cb0ef}.tip{fill:#6cb0ef}}",
  "@media(prefers-reduced-motion:reduce){.dot,.on,.now{animation:none!important}}",
].join("")

/** Messages in the order of their arrival: a span whose parent is another actor's was begun by one. */
export function messagesOf(spans: readonly PictureSpan[]): readonly Message[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  const start = Math.min(...spans.map((span) => span.start))
  return spans
    .flatMap((span) => {
      const parent = span.parentSpanId === null ? undefined : byId.get(span.parentSpanId)
      if (parent === undefined || parent.actor === span.actor) return []
      const step = span.attributes["backplane.step"]
      const name = span.name.replace(/^handle /, "")
      return [{ from: parent.actor, to: span.actor, name, at: span.start - start, step: typeof step === "number" ? step : null }]
    })
    .sort((a, b) => a.at - b.at || compareText(a.to, b.to) || compareText(a.name, b.name))
}

export function conversationSvg(spans: readonly PictureSpan[], title: string): string {
  const all = messagesOf(spans)
  const messages = all.slice(0, MESSAGES_MAX)
  const places = placesOf(spans)
  const rows = 1 + Math.max(0, ...[...places.values()].map(({ row }) => row))
  const below = TOP + rows * ROW
  const height = below + (messages.length + (all.length > messages.length ? 1 : 0)) * LINE + 16
  const seconds = messages.length * STEP_SECONDS + PAUSE_SECONDS
  const body = [
    element("defs", {}, marker()),
    text({ x: 20, y: 26, class: "head" }, title),
    ...[...places].flatMap(([actor, { x, y }]) => [
      element("rect", { class: "box", x, y, width: BOX.width, height: BOX.height, rx: 6 }),
      text({ x: x + BOX.width / 2, y: y + 27, class: "name", anchor: "middle" }, actor),
    ]),
  ]
  const keyframes: string[] = []
  const pairs = new Map<string, number>()
  for (const [index, message] of messages.entries()) {
    const pair = [message.from, message.to].sort(compareText).join(" ")
    const nth = pairs.get(pair) ?? 0
    pairs.set(pair, nth + 1)
    const [from, to] = endsOf(places, message, nth)
    const share = (second: number): string => `${decimal((100 * second) / seconds)}%`
    const begin = index * STEP_SECONDS
    const [left, arrived, over] = [share(begin), share(begin + STEP_SECONDS * TRAVEL), share(begin + STEP_SECONDS)]
    const at = ({ x, y }: Point): string => `transform:translate(${decimal(x)}px,${decimal(y)}px)`
    keyframes.push(
      `@keyframes d${index}{0%,${left}{opacity:0;${at(from)}}${share(begin + 0.05)}{opacity:1;${at(from)}}${arrived}{opacity:1;${at(to)}}${over},100%{opacity:0;${at(to)}}}`,
      `@keyframes o${index}{0%,${arrived}{opacity:0}${share(begin + STEP_SECONDS * TRAVEL + 0.05)}{opacity:1}${over},100%{opacity:0}}`,
      `@keyframes n${index}{0%,${left}{opacity:0}${share(begin + 0.05)},${over}{opacity:1}${share(begin + STEP_SECONDS + 0.05)},100%{opacity:0}}`,
    )
    const animation = (name: string): string => `animation:${name}${index} ${decimal(seconds)}s linear infinite`
    const place = places.get(message.to)
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
    const y = below + index * LINE + 6
    body.push(
      element("line", { class: "arrow", x1: from.x, y1: from.y, x2: to.x, y2: to.y }),
      // Numbers of neighbouring arrows stand side by side.
      text({ x: middle.x + 6 + nth * 14, y: middle.y - 3, class: "number faint" }, String(index + 1)),
      element("rect", {
        class: "on",
        x: place?.x ?? 0,
        y: place?.y ?? 0,
        width: BOX.width,
        height: BOX.height,
        rx: 6,
        style: animation("o"),
      }),
      element("circle", { class: "dot", r: 6, style: animation("d") }),
      element("circle", { class: "now", cx: 26, cy: y - 4, r: 4, style: animation("n") }),
      ...lineOf(index, message, y),
    )
  }
  if (all.length > messages.length)
    body.push(text({ x: 40, y: below + messages.length * LINE + 6, class: "faint" }, `and ${all.length - messages.length} more`))
  const description = messages.map(({ from, to, name }, index) => `${index + 1}. ${name} from ${from} to ${to}`).join("; ")
  return picture({ width: WIDTH, height, title, description, style: `${STYLE}${keyframes.join("")}` }, body)
}

function lineOf(index: number, { from, to, name, at, step }: Message, y: number): readonly string[] {
  const words = step === null ? name : `${name}, step ${step}`
  return [
    text({ x: 60, y, anchor: "end" }, `${index + 1}.`),
    text({ x: 72, y }, words),
    text({ x: 330, y, class: "faint" }, `${from} → ${to}`),
    text({ x: WIDTH - 20, y, class: "faint", anchor: "end" }, `${grouped(at)} cycles`),
  ]
}

interface Point {
  readonly x: number
  readonly y: number
}

interface Place extends Point {
  readonly row: number
}

/** Actors by rows of their kinds, each row in the middle. */
function placesOf(spans: readonly PictureSpan[]): ReadonlyMap<string, Place> {
  const actors = [...new Set(spans.map((span) => span.actor))].sort(compareText)
  const rowOf = (actor: string): number => {
    const kind = actor.slice(0, actor.indexOf("."))
    const row = ROWS.findIndex((kinds) => kinds.includes(kind))
    return row < 0 ? 0 : row
  }
  const used = [...new Set(actors.map(rowOf))].sort((a, b) => a - b)
  return new Map(
    used.flatMap((kindRow, row) => {
      const here = actors.filter((actor) => rowOf(actor) === kindRow)
      const gap = WIDTH / here.length
      return here.map((actor, index) => [actor, { row, x: gap * (index + 0.5) - BOX.width / 2, y: TOP + row * ROW }] as const)
    }),
  )
}

/** From edge to edge; the nth of the same two lies beside the others. */
function endsOf(places: ReadonlyMap<string, Place>, { from, to }: Message, nth: number): readonly [Point, Point] {
  const [a, b] = [places.get(from), places.get(to)]
  if (a === undefined || b === undefined) throw new Error(`${from} and ${to} have places`)
  const shift = (nth % 2 === 0 ? 1 : -1) * Math.ceil(nth / 2) * APART
  if (a.row === b.row) {
    const isRight = b.x > a.x
    const y = a.y + BOX.height / 2 + shift * 0.6
    return [
      { x: a.x + (isRight ? BOX.width : 0), y },
      { x: b.x + (isRight ? 0 : BOX.width), y },
    ]
  }
  const isDown = b.row > a.row
  const middle = (place: Place): number => place.x + BOX.width / 2 + shift
  return [
    { x: middle(a), y: a.y + (isDown ? BOX.height : 0) },
    { x: middle(b), y: b.y + (isDown ? 0 : BOX.height) },
  ]
}

function marker(): string {
  const tip = element("path", { class: "tip", d: "M0 0L8 4L0 8z" })
  return element("marker", { id: "tip", markerWidth: 8, markerHeight: 8, refX: 8, refY: 4, orient: "auto" }, tip)
}
