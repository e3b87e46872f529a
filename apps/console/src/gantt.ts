/**
 * CPUs by time: what each has run lately, as SVG, and in words for those who do not see it.
 *
 * Drawn five times a second for as long as the page is open: what has happened is drawn once and then only moves, as one group; so a picture
 * costs what has changed since the last one.
 */
import type { CpuData, MachineData } from "./machine-data.ts"

const ROW = 30
const LEFT = 74
const TOP = 20
const WIDTH = 1160
const WINDOW_TICKS = 300
const GRID_TICKS = 50
const PIXELS_PER_TICK = (WIDTH - LEFT - 8) / WINDOW_TICKS
/** After so many ticks all is drawn anew from another origin: SVG keeps single-precision coordinates. */
const REBASE_TICKS = 10_000
/** A run narrower than this has no room for its name. */
const NAME_PIXELS = 26
const NAMESPACE = "http://www.w3.org/2000/svg"

interface Lane {
  readonly node: number
  readonly cpu: CpuData
}

interface Drawn {
  readonly run: SVGElement
  readonly name: SVGElement
  /** Known only when a run is over. */
  cold: SVGElement | null
  to: number
}

export class Gantt {
  readonly element: HTMLElement
  readonly #svg: SVGElement
  readonly #moving: SVGElement
  readonly #heads: SVGElement
  readonly #words: HTMLElement
  readonly #clip: SVGElement
  readonly #runs = new Map<string, Drawn>()
  readonly #lines = new Map<number, readonly SVGElement[]>()
  #lanes = ""
  #said = ""
  #origin = 0

  constructor(onTask: (task: string) => void) {
    this.#svg = shape("svg", { width: "100%", role: "img", "aria-label": "what the CPUs have run lately" })
    this.#clip = shape("rect", { x: LEFT, y: 0, width: WIDTH - LEFT - 8, height: 0 })
    this.#moving = shape("g", {})
    this.#heads = shape("g", {})
    const window = shape("g", { "clip-path": "url(#gantt-window)" })
    window.append(this.#moving)
    this.#svg.append(definitions(this.#clip), window, this.#heads)
    this.#svg.addEventListener("click", ({ target }) => {
      const task = target instanceof SVGElement ? target.dataset["task"] : undefined
      if (task !== undefined) onTask(task)
    })
    this.#words = document.createElement("ul")
    this.#words.className = "visually-hidden"
    this.element = document.createElement("div")
    this.element.append(this.#svg, this.#words)
  }

  draw(machine: MachineData): void {
    const lanes = machine.nodes.flatMap((node) => (node === null ? [] : node.cpus.map((cpu) => ({ node: node.node, cpu }))))
    const end = Math.max(WINDOW_TICKS, ...lanes.map(({ cpu }) => lastTick(cpu)))
    const start = end - WINDOW_TICKS
    this.#layOut(lanes, start)
    this.#moving.setAttribute("transform", `translate(${(LEFT - (start - this.#origin) * PIXELS_PER_TICK).toFixed(2)} 0)`)
    this.#drawGrid(start, end, lanes.length)
    const seen = new Set<string>()
    for (const [row, { cpu }] of lanes.entries())
      for (const [from, to, task, warmFrom] of runsOf(cpu, end)) {
        if (to <= start) continue
        const key = `${row} ${from} ${task}`
        seen.add(key)
        this.#drawRun(key, { row, from, to, task, warmFrom })
      }
    for (const [key, { run, cold, name }] of this.#runs) {
      if (seen.has(key)) continue
      for (const element of [run, cold, name]) element?.remove()
      this.#runs.delete(key)
    }
    this.#say(lanes)
  }

  /** Anew where there are other CPUs, where time has gone back (another machine), and now and then for the precision. */
  #layOut(lanes: readonly Lane[], start: number): void {
    const key = lanes.map(({ node, cpu }) => `${node} ${cpu.cpu}`).join()
    if (key === this.#lanes && start >= this.#origin && start - this.#origin < REBASE_TICKS) return
    this.#lanes = key
    this.#origin = start
    this.#moving.replaceChildren()
    this.#runs.clear()
    this.#lines.clear()
    const height = TOP + lanes.length * ROW + 8
    this.#svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`)
    this.#clip.setAttribute("height", String(height))
    this.#heads.replaceChildren(...lanes.map(({ node, cpu }, row) => label(`${node} · CPU ${cpu.cpu}`, { x: 0, y: TOP + row * ROW + 18 })))
  }

  #x(tick: number): number {
    return (tick - this.#origin) * PIXELS_PER_TICK
  }

  #drawGrid(start: number, end: number, lanes: number): void {
    for (const [tick, elements] of this.#lines) {
      if (tick >= start) continue
      for (const element of elements) element.remove()
      this.#lines.delete(tick)
    }
    for (let tick = Math.ceil(start / GRID_TICKS) * GRID_TICKS; tick <= end; tick += GRID_TICKS) {
      if (this.#lines.has(tick)) continue
      const x = this.#x(tick)
      const line = shape("line", { x1: x, x2: x, y1: TOP - 4, y2: TOP + lanes * ROW + 8, class: "grid" })
      const elements = [line, label(String(tick), { x, y: 12, class: "faint", "text-anchor": "middle" })]
      this.#lines.set(tick, elements)
      // Behind the runs.
      this.#moving.prepend(...elements)
    }
  }

  #drawRun(
    key: string,
    { row, from, to, task, warmFrom }: { row: number; from: number; to: number; task: string; warmFrom: number },
  ): void {
    let drawn = this.#runs.get(key)
    const isCold = warmFrom > from
    if (drawn?.to === to && (drawn.cold !== null || !isCold)) return
    const at = { x: this.#x(from), y: TOP + row * ROW + 2, height: ROW - 6 }
    if (drawn === undefined) {
      const run = shape("rect", { ...at, rx: 3, fill: colourOf(task), class: "run" })
      run.dataset["task"] = task
      const name = label(task, { x: at.x + 4, y: TOP + row * ROW + 18, class: "onjob unclickable" })
      drawn = { run, name, cold: null, to }
      this.#runs.set(key, drawn)
      this.#moving.append(run, name)
    }
    drawn.to = to
    const width = (to - from) * PIXELS_PER_TICK
    drawn.run.setAttribute("width", String(Math.max(1, width - 1)))
    drawn.name.setAttribute("visibility", width > NAME_PIXELS ? "visible" : "hidden")
    if (!isCold) return
    if (drawn.cold === null) {
      drawn.cold = shape("rect", { ...at, fill: "url(#cold)", class: "unclickable" })
      drawn.run.after(drawn.cold)
    }
    drawn.cold.setAttribute("width", String((Math.min(to, warmFrom) - from) * PIXELS_PER_TICK))
  }

  #say(lanes: readonly Lane[]): void {
    const words = lanes.map(({ node, cpu }) => `node ${node}, CPU ${cpu.cpu}: ${cpu.task === null ? cpu.state : `runs ${cpu.task}`}`)
    const said = words.join("\n")
    if (said === this.#said) return
    this.#said = said
    this.#words.replaceChildren(
      ...words.map((text) => {
        const item = document.createElement("li")
        item.textContent = text
        return item
      }),
    )
  }
}

/** What ran, and what runs now up to the present. */
function runsOf(cpu: CpuData, end: number): readonly (readonly [number, number, string, number])[] {
  if (cpu.state !== "running" || cpu.task === null) return cpu.recent
  return [...cpu.recent, [cpu.sinceTick, Math.max(end, cpu.sinceTick + 1), cpu.task, cpu.sinceTick]]
}

function lastTick(cpu: CpuData): number {
  return Math.max(cpu.sinceTick, cpu.recent.at(-1)?.[1] ?? 0)
}

/** The same colour for the same job, dark enough in no case to hide the text on it. */
export function colourOf(task: string): string {
  let hash = 7
  for (const character of task) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360
  return `hsl(${(hash * 47) % 360} 62% 70%)`
}

/** The hatching of cold runs, and the part of the picture in which runs are seen. */
function definitions(window: SVGElement): SVGElement {
  const pattern = shape("pattern", { id: "cold", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" })
  pattern.append(shape("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: "#00000055", "stroke-width": 3 }))
  const clip = shape("clipPath", { id: "gantt-window" })
  clip.append(window)
  const element = shape("defs", {})
  element.append(pattern, clip)
  return element
}

export function shape(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(NAMESPACE, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  return element
}

export function label(text: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = shape("text", attributes)
  element.textContent = text
  return element
}
