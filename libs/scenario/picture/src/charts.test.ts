import { describe, expect, it } from "vitest"
import { barChartSvg } from "./bar-chart-svg.ts"
import { lineChartSvg, type LineChart } from "./line-chart-svg.ts"

const LINES: LineChart = {
  title: "Locks <fast & slow>",
  xLabel: "CPUs",
  yLabel: "cycles",
  x: [1, 2, 4],
  xScale: "doubling",
  series: [
    { name: "spins", y: [10, 20, 90] },
    { name: "queues", y: [12, null, 13] },
  ],
}

describe("a line chart", () => {
  const svg = lineChartSvg(LINES)
  const points = [...svg.matchAll(/points="([^"]*)"/g)].map(([, list = ""]) => list.split(" ").map((pair) => pair.split(",").map(Number)))

  it("draws each series over the same axis, doublings equally wide, and leaves gaps out", () => {
    const [spins = [], queues = []] = points
    expect(spins.map(([x]) => x)).toHaveLength(3)
    expect((spins[1]?.[0] ?? 0) - (spins[0]?.[0] ?? 0)).toBeCloseTo((spins[2]?.[0] ?? 0) - (spins[1]?.[0] ?? 0))
    expect(queues).toHaveLength(2)
    // More cycles stand higher.
    expect(spins[2]?.[1]).toBeLessThan(spins[0]?.[1] ?? 0)
  })

  it("is escaped, says itself in words, and is the same again", () => {
    expect(svg).toContain("Locks &lt;fast &amp; slow&gt;")
    expect(svg).toContain("spins: 10 at 1 CPUs, 20 at 2 CPUs, 90 at 4 CPUs.")
    expect(lineChartSvg(LINES)).toBe(svg)
  })

  it("draws equal factors equally high on a logarithmic axis, with a mark below the least and one above the most", () => {
    const drawn = lineChartSvg({ ...LINES, yScale: "log", series: [{ name: "falls", y: [9000, 900, 90] }] })
    const [, list = ""] = /points="([^"]*)"/.exec(drawn) ?? []
    const [a = 0, b = 0, c = 0] = list.split(" ").map((pair) => Number(pair.split(",")[1]))
    expect(c - b).toBeCloseTo(b - a, 0)
    expect(c - b).toBeGreaterThan(50)
    const marks = [...drawn.matchAll(/text-anchor="end"[^>]*>([\d.]+)</g)].map(([, mark]) => Number(mark))
    expect(marks).toEqual([10, 100, 1000, 10000])
    const near = lineChartSvg({ ...LINES, yScale: "log", series: [{ name: "near", y: [3, 4, 18] }] })
    expect([...near.matchAll(/text-anchor="end"[^>]*>([\d.]+)</g)].map(([, mark]) => Number(mark))).toEqual([2, 5, 10, 20])
    expect(() => lineChartSvg({ ...LINES, yScale: "log", series: [{ name: "none", y: [1, 0, 2] }] })).toThrow("no place for 0")
  })

  it("moves names apart where lines end together", () => {
    const close = lineChartSvg({ ...LINES, series: [{ name: "one", y: [1, 1, 50] }, { name: "two", y: [1, 1, 50] }] }) // prettier-ignore
    const heights = ["one", "two"].map((name) => Number(new RegExp(`y="([\\d.]+)"[^>]*>${name}<`).exec(close)?.[1]))
    expect(Math.abs((heights[0] ?? 0) - (heights[1] ?? 0))).toBeGreaterThanOrEqual(16)
  })
})

describe("a bar chart", () => {
  it("draws bars to one scale, others' hollow", () => {
    const bar = (name: string, value: number, whose: "ours" | "other") => ({ name, value, words: `${value} %`, whose })
    const svg = barChartSvg({ title: "Local", hint: "share", groups: [{ name: "a", bars: [bar("before", 20, "ours"), bar("published", 80, "other")] }] }) // prettier-ignore
    const widths = [...svg.matchAll(/<rect[^>]*width="([\d.]+)"[^>]*class="(bar|other)"/g)].map(([, width, look]) => [Number(width), look])
    expect(widths.map(([, look]) => look)).toEqual(["bar", "other"])
    expect(Number(widths[1]?.[0]) / Number(widths[0]?.[0])).toBeCloseTo(4)
  })
})
