import { describe, expect, it } from "vitest"
import { barChartSvg, lineChartSvg } from "./chart-svg.ts"
import { comparisonSvg } from "./comparison-svg.ts"
import { ganttSvg, niceStep } from "./gantt-svg.ts"
import type { Run, Schedule } from "./schedule.ts"
import { scoreboardSvg, shadeOf } from "./scoreboard-svg.ts"
import { SCHEDULE } from "./testing/example.ts"

/** Every tag closed in order: what a browser needs to show a picture. */
function isWellFormed(svg: string): boolean {
  const open: string[] = []
  for (const [, closing, name, rest] of svg.matchAll(/<(\/?)([a-zA-Z]+)((?:[^<>"]|"[^"<]*")*)>/g)) {
    if (closing === "/") {
      if (open.pop() !== name) return false
    } else if (!rest!.endsWith("/")) open.push(name!)
  }
  return open.length === 0 && !/&(?!amp;|lt;|gt;|quot;)/.test(svg)
}

describe("the Gantt chart", () => {
  const svg = ganttSvg(SCHEDULE)

  it("is well formed and the same every time", () => {
    expect(isWellFormed(svg)).toBe(true)
    expect(isWellFormed(svg.replace("</svg>", ""))).toBe(false)
    expect(ganttSvg(SCHEDULE)).toBe(svg)
  })

  it("has a name and says in words what it shows", () => {
    expect(svg).toContain('role="img" aria-labelledby="title desc"')
    expect(svg).toContain('<title id="title">Schedule of example under mqms-warm</title>')
    expect(svg).toContain(
      "3 jobs on 3 CPUs over 20 ticks; 48 % busy, 41 % of that with a warm cache; 2 migrations. CPU 0: a 0–8, b 10–14. CPU 1: b 0–5, &lt;c&gt; &amp; &quot;d&quot; 5–6.",
    )
  })

  it("has a block a slice, each with its own words, and hatches where the cache was cold", () => {
    expect(svg.match(/class="slice c\d+" rx="2"><title>/g)).toHaveLength(5)
    expect(svg).toContain("<title>a on CPU 2, ticks 9–20, 7 of 11 warm</title>")
    // CPU 0: a 0–3 and b; CPU 1: both; CPU 2: 9–10 and 12–15.
    expect(svg.match(/class="cold"/g)).toHaveLength(6)
  })

  it("has colours of its own in the dark", () => {
    expect(svg).toContain("@media(prefers-color-scheme:dark)")
  })

  it("draws many slices too narrow to see as one block", () => {
    const runs = Array.from({ length: 50_000 }, (_, tick): Run => [tick, tick + 1, `j${tick % 3}`])
    const long: Schedule = { machine: "m", policy: "p", ticks: 50_000, cpus: [{ cpu: 0, node: 0, runs, warm: [] }] }
    const svg = ganttSvg(long)
    expect(svg.length).toBeLessThan(20_000)
    expect(svg).toContain("50000 slices on CPU 0, ticks 0–50000")
  })

  it("shows an empty machine", () => {
    expect(isWellFormed(ganttSvg({ machine: "m", policy: "p", ticks: 0, cpus: [] }))).toBe(true)
  })

  it("refuses runs that overlap: a bug of who made them", () => {
    const cpu = { cpu: 0, node: 0, warm: [] }
    expect(() =>
      ganttSvg({
        ...SCHEDULE,
        cpus: [
          {
            ...cpu,
            runs: [
              [0, 3, "a"],
              [2, 4, "b"],
            ],
          },
        ],
      }),
    ).toThrow("do not overlap")
    expect(() => ganttSvg({ ...SCHEDULE, cpus: [{ ...cpu, runs: [[0, 21, "a"]] }] })).toThrow("within the schedule")
  })

  it.each([
    [0, 1],
    [1, 1],
    [1.2, 2],
    [3, 5],
    [7, 10],
    [120, 200],
    [5001, 10_000],
  ])("marks its axis in steps that read well: %d → %d", (rough, step) => {
    expect(niceStep(rough)).toBe(step)
  })
})

describe("the comparison", () => {
  const svg = comparisonSvg("Four policies", [
    { policy: "sqms", makespan: 120, utilisation: 0.9, warm: 0.31 },
    { policy: "mqms-warm", makespan: 96, utilisation: 0.873, warm: 0.8 },
  ])

  it("is well formed and says its numbers in words", () => {
    expect(isWellFormed(svg)).toBe(true)
    expect(svg).toContain(
      "sqms: makespan 120 ticks, utilisation 90.0 %, warm 31.0 %. mqms-warm: makespan 96 ticks, utilisation 87.3 %, warm 80.0 %.",
    )
  })

  it("marks the best of each in words too: the shortest makespan, the highest shares", () => {
    expect([...svg.matchAll(/>([^<]*) best</g)].map(([, words]) => words)).toEqual(["96", "90.0 %", "80.0 %"])
  })
})

describe("the scoreboard", () => {
  const column = { workload: "weights", measure: "lag", better: "less" as const, best: 4 }
  const cells = [
    { policy: "stride", value: 4 },
    { policy: "<rr>", value: 9 },
    { policy: "fifo", value: null },
  ]
  const svg = scoreboardSvg("Policies on workloads", [{ ...column, cells }])

  it("is well formed, marks the best, and says in words what it shows", () => {
    expect(isWellFormed(svg)).toBe(true)
    expect(svg).toContain(">4 ★</text>")
    expect(svg).toContain("weights, lag, best 4: stride 4, &lt;rr&gt; 9, fifo none.")
  })

  it("shades by the distance from the best, whichever way is better", () => {
    expect([4, 4.1, 4.9, 7, 9].map((value) => shadeOf(value, column))).toEqual(["s0", "s1", "s2", "s3", "s4"])
    expect(shadeOf(50, { best: 100, better: "more" })).toBe("s3")
    expect(shadeOf(null, column)).toBe("none")
    expect(shadeOf(0, { best: 0, better: "less" })).toBe("s0")
    expect(shadeOf(3, { best: 0, better: "less" })).toBe("s4")
  })
})

describe("charts", () => {
  const lines = lineChartSvg({
    title: "Work <done>",
    xLabel: "CPUs",
    yLabel: "CPUs' worth",
    x: [1, 2, 64],
    lines: [
      { name: "sqms", values: [1, 2, 25] },
      { name: "mqms", values: [1, 2, 63.9] },
    ],
  })

  it("of lines: well formed, a point a value, in words too, and names that do not lie on each other", () => {
    expect(isWellFormed(lines)).toBe(true)
    expect(lines.match(/<circle /g)).toHaveLength(6)
    expect(lines).toContain("CPUs' worth over CPUs. sqms: 1 1, 2 2, 64 25. mqms: 1 1, 2 2, 64 63.9.")
    const same = lineChartSvg({ title: "t", xLabel: "x", yLabel: "y", x: [1], lines: ["a", "b"].map((name) => ({ name, values: [5] })) })
    const heights = [...same.matchAll(/y="([\d.]+)" class="small">[ab]</g)].map(([, y]) => Number(y))
    expect(Math.abs((heights[0] ?? 0) - (heights[1] ?? 0))).toBeGreaterThanOrEqual(12)
  })

  it("of bars: well formed, each with its figure", () => {
    const bars = barChartSvg({
      title: "p99",
      yLabel: "ticks",
      bars: [
        { label: "cfs", value: 41, isGood: false },
        { label: "eevdf", value: 17, isGood: true },
      ],
    })
    expect(isWellFormed(bars)).toBe(true)
    expect(bars).toContain("ticks: cfs 41, eevdf 17.")
    expect(bars).toContain('class="good"')
  })

  it("of nothing are well formed", () => {
    expect(isWellFormed(lineChartSvg({ title: "t", xLabel: "x", yLabel: "y", x: [], lines: [] }))).toBe(true)
    expect(isWellFormed(barChartSvg({ title: "t", yLabel: "y", bars: [] }))).toBe(true)
  })
})
