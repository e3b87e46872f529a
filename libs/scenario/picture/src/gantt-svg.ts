/**
 * A schedule as a Gantt chart: one row a CPU, nodes apart, one block a slice, hatched while the cache was cold.
 *
 * Runs of slices too narrow to see become one grey block, so that a long schedule stays a small file.
 */
import { jobsOf, migrationsOf, slicesOf, assertSchedule, type CpuSchedule, type Schedule, type Slice } from "./schedule.ts"
import { COLD_PATTERN, colourClass, paletteStyle } from "./palette.ts"
import { element, escapeXml, picture, text } from "./svg-text.ts"

const LEFT = 86
const RIGHT = 20
const TOP = 58
const ROW = 26
const BAR = 20
const NODE_GAP = 10
const AXIS = 30
const LEGEND_ROW = 18
const LEGEND_COLUMN = 110
const LEGEND_JOBS_MAX = 36
/** Narrower blocks cannot be seen. */
const VISIBLE_PIXELS = 0.6
const LABEL_PIXELS_A_LETTER = 6.6

export interface GanttOptions {
  readonly width?: number
}

export function ganttSvg(schedule: Schedule, options: GanttOptions = {}): string {
  assertSchedule(schedule)
  const width = options.width ?? 960
  const jobs = jobsOf(schedule)
  const scale = (width - LEFT - RIGHT) / Math.max(1, schedule.ticks)
  const rows = rowTops(schedule.cpus)
  const bottom = rows.at(-1) === undefined ? TOP : (rows.at(-1) ?? 0) + ROW
  const legend = legendOf(jobs, { top: bottom + AXIS + 8, width })
  const colours = new Map(jobs.map((job, index) => [job, colourClass(index)]))
  const body = [
    COLD_PATTERN,
    text({ x: LEFT, y: 24, class: "head" }, `${schedule.machine}: ${schedule.policy}`),
    text({ x: LEFT, y: 42, class: "faint" }, "ticks from left to right; hatched: cache cold"),
    ...axis(schedule.ticks, { scale, bottom }),
    ...schedule.cpus.flatMap((cpu, index) => cpuRow(cpu, { top: rows[index] ?? 0, scale, colours })),
    ...legend.body,
  ]
  const frame = {
    width,
    height: bottom + AXIS + 8 + legend.height,
    title: `Schedule of ${schedule.machine} under ${schedule.policy}`,
    description: describe(schedule, jobs),
    style: paletteStyle(),
  }
  return picture(frame, body)
}

/** What the picture shows, in words. */
function describe(schedule: Schedule, jobs: readonly string[]): string {
  const capacity = schedule.cpus.length * schedule.ticks
  const busy = schedule.cpus.reduce((sum, cpu) => sum + slicesOf(cpu).reduce((ticks, [from, to]) => ticks + to - from, 0), 0)
  const warm = schedule.cpus.reduce((sum, cpu) => sum + cpu.warm.reduce((ticks, [from, to]) => ticks + to - from, 0), 0)
  const share = (part: number, whole: number): string => (whole === 0 ? "0" : String(Math.round((part * 100) / whole)))
  const each = schedule.cpus.slice(0, 16).map((cpu) => `CPU ${cpu.cpu}: ${inWords(slicesOf(cpu))}`)
  return [
    `${jobs.length} jobs on ${schedule.cpus.length} CPUs over ${schedule.ticks} ticks; ${share(busy, capacity)} % busy, ${share(warm, busy)} % of that with a warm cache; ${migrationsOf(schedule).length} migrations.`,
    ...each,
  ].join(" ")
}

function inWords(slices: readonly Slice[]): string {
  if (slices.length === 0) return "idle."
  const told = slices.slice(0, 8).map(([from, to, job]) => `${job} ${from}–${to}`)
  return `${told.join(", ")}${slices.length > 8 ? `, and ${slices.length - 8} more` : ""}.`
}

function rowTops(cpus: readonly CpuSchedule[]): readonly number[] {
  let top = TOP
  return cpus.map((cpu, index) => {
    const before = cpus[index - 1]
    if (before !== undefined) top += ROW + (before.node === cpu.node ? 0 : NODE_GAP)
    return top
  })
}

interface RowPlace {
  readonly top: number
  readonly scale: number
  readonly colours: ReadonlyMap<string, string>
}

function cpuRow(cpu: CpuSchedule, place: RowPlace): readonly string[] {
  const label = text({ x: LEFT - 8, y: place.top + 15, anchor: "end" }, `n${cpu.node} CPU ${cpu.cpu}`)
  return [label, ...blocks(slicesOf(cpu), place.scale).map((block) => blockSvg(block, cpu, place))]
}

type Block = { readonly from: number; readonly to: number } & ({ readonly job: string } | { readonly slices: number })

/** Slices that can be seen one by one; between them one block for all that cannot. */
function blocks(slices: readonly Slice[], scale: number): readonly Block[] {
  const found: Block[] = []
  for (const [from, to, job] of slices) {
    const last = found.at(-1)
    if ((to - from) * scale >= VISIBLE_PIXELS) found.push({ from, to, job })
    else if (last !== undefined && "slices" in last && (from - last.to) * scale < VISIBLE_PIXELS)
      found[found.length - 1] = { from: last.from, to, slices: last.slices + 1 }
    else found.push({ from, to, slices: 1 })
  }
  return found
}

function blockSvg(block: Block, cpu: CpuSchedule, place: RowPlace): string {
  const { from, to } = block
  const box = { x: LEFT + from * place.scale, y: place.top, width: Math.max(0.3, (to - from) * place.scale), height: BAR }
  if ("slices" in block)
    return element("rect", { ...box, class: "many" }, element("title", {}, `${block.slices} slices on CPU ${cpu.cpu}, ticks ${from}–${to}`))
  const { job } = block
  const warmTicks = cpu.warm.reduce((sum, [start, end]) => sum + Math.max(0, Math.min(to, end) - Math.max(from, start)), 0)
  const title = element("title", {}, escapeXml(`${job} on CPU ${cpu.cpu}, ticks ${from}–${to}, ${warmTicks} of ${to - from} warm`))
  const parts = [element("rect", { ...box, class: `slice ${place.colours.get(job) ?? ""}`, rx: 2 }, title)]
  for (const [start, end] of coldParts(block, cpu))
    parts.push(element("rect", { ...box, x: LEFT + start * place.scale, width: (end - start) * place.scale, class: "cold" }, title))
  if (job.length * LABEL_PIXELS_A_LETTER < box.width - 4)
    parts.push(text({ x: box.x + box.width / 2, y: place.top + 14, class: "on", anchor: "middle" }, job))
  return parts.join("")
}

/** The parts of a block that no warm interval covers. */
function coldParts(block: { readonly from: number; readonly to: number }, cpu: CpuSchedule): readonly (readonly [number, number])[] {
  const cold: (readonly [number, number])[] = []
  let at = block.from
  for (const [start, end] of cpu.warm) {
    if (end <= at || start >= block.to) continue
    if (start > at) cold.push([at, start])
    at = Math.min(block.to, end)
  }
  if (at < block.to) cold.push([at, block.to])
  return cold
}

function axis(ticks: number, place: { readonly scale: number; readonly bottom: number }): readonly string[] {
  const step = niceStep(ticks / 10)
  const lines: string[] = []
  for (let tick = 0; tick <= ticks; tick += step) {
    const x = LEFT + tick * place.scale
    lines.push(element("line", { class: "line", x1: x, x2: x, y1: TOP - 4, y2: place.bottom }))
    lines.push(text({ x, y: place.bottom + 16, class: "faint", anchor: "middle" }, String(tick)))
  }
  return lines
}

/** 1, 2 or 5 times a power of ten, at least 1. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, rough))))
  const factor = [1, 2, 5, 10].find((each) => each * power >= rough) ?? 10
  return factor * power
}

function legendOf(
  jobs: readonly string[],
  place: { readonly top: number; readonly width: number },
): { readonly body: readonly string[]; readonly height: number } {
  const shown = jobs.slice(0, LEGEND_JOBS_MAX)
  const columns = Math.max(1, Math.floor((place.width - LEFT - RIGHT) / LEGEND_COLUMN))
  const body = shown.flatMap((job, index) => {
    const x = LEFT + (index % columns) * LEGEND_COLUMN
    const y = place.top + Math.floor(index / columns) * LEGEND_ROW
    return [
      element("rect", { x, y, width: 12, height: 12, rx: 2, class: `slice ${colourClass(index)}` }),
      text({ x: x + 18, y: y + 10 }, job.length > 13 ? `${job.slice(0, 12)}…` : job),
    ]
  })
  const rows = Math.ceil(shown.length / columns)
  const more = jobs.length - shown.length
  if (more > 0) body.push(text({ x: LEFT, y: place.top + rows * LEGEND_ROW + 10, class: "faint" }, `and ${more} more jobs`))
  return { body, height: (rows + (more > 0 ? 1 : 0)) * LEGEND_ROW + 8 }
}
