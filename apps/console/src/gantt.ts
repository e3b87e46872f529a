/** CPUs by time: what each has run lately, as SVG, and in words for those who do not see it. */
import type { CpuData, MachineData } from "./machine-data.ts"

const ROW = 30
const LEFT = 74
const TOP = 20
const WINDOW_TICKS = 300
const NAMESPACE = "http://www.w3.org/2000/svg"

export function drawGantt(machine: MachineData, onTask: (task: string) => void): Node {
  const cpus = machine.nodes.flatMap((node) => (node === null ? [] : node.cpus.map((cpu) => ({ node: node.node, cpu }))))
  const end = Math.max(WINDOW_TICKS, ...cpus.map(({ cpu }) => lastTick(cpu)))
  const start = end - WINDOW_TICKS
  const width = 1160
  const height = TOP + cpus.length * ROW + 8
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, width: "100%", role: "img", "aria-label": "what the CPUs have run lately" })
  svg.append(hatch())
  const x = (tick: number): number => LEFT + ((Math.max(start, tick) - start) / WINDOW_TICKS) * (width - LEFT - 8)
  for (let tick = Math.ceil(start / 50) * 50; tick <= end; tick += 50) {
    svg.append(shape("line", { x1: x(tick), x2: x(tick), y1: TOP - 4, y2: height, class: "grid" }))
    svg.append(label(String(tick), { x: x(tick), y: 12, class: "faint", "text-anchor": "middle" }))
  }
  for (const [row, { node, cpu }] of cpus.entries()) {
    const y = TOP + row * ROW
    svg.append(label(`${node} · CPU ${cpu.cpu}`, { x: 0, y: y + 18 }))
    for (const [from, to, task, warmFrom] of runsOf(cpu, end)) {
      if (to <= start) continue
      const run = shape("rect", {
        x: x(from),
        y: y + 2,
        width: Math.max(1, x(to) - x(from) - 1),
        height: ROW - 6,
        rx: 3,
        fill: colourOf(task),
        class: "run",
      })
      run.dataset["task"] = task
      svg.append(run)
      if (warmFrom > from)
        svg.append(
          shape("rect", {
            x: x(from),
            y: y + 2,
            width: Math.max(0, x(Math.min(to, warmFrom)) - x(from)),
            height: ROW - 6,
            fill: "url(#cold)",
            class: "unclickable",
          }),
        )
      if (x(to) - x(from) > 26) svg.append(label(task, { x: x(from) + 4, y: y + 18, class: "onjob unclickable" }))
    }
  }
  svg.addEventListener("click", ({ target }) => {
    const task = target instanceof SVGElement ? target.dataset["task"] : undefined
    if (task !== undefined) onTask(task)
  })
  const wrapper = document.createElement("div")
  wrapper.append(svg, inWords(cpus))
  return wrapper
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
function colourOf(task: string): string {
  let hash = 7
  for (const character of task) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360
  return `hsl(${(hash * 47) % 360} 62% 70%)`
}

function inWords(cpus: readonly { readonly node: number; readonly cpu: CpuData }[]): HTMLElement {
  const list = document.createElement("ul")
  list.className = "visually-hidden"
  for (const { node, cpu } of cpus) {
    const item = document.createElement("li")
    item.textContent = `node ${node}, CPU ${cpu.cpu}: ${cpu.task === null ? cpu.state : `runs ${cpu.task}`}`
    list.append(item)
  }
  return list
}

function hatch(): SVGElement {
  const pattern = shape("pattern", { id: "cold", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" })
  pattern.append(shape("line", { x1: 0, y1: 0, x2: 0, y2: 6, stroke: "#00000055", "stroke-width": 3 }))
  const definitions = shape("defs", {})
  definitions.append(pattern)
  return definitions
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
