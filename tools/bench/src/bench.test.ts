import { describe, expect, it } from "vitest"
import type { BenchReport } from "./bench.ts"
import { benchCommand } from "./command.ts"
import { othersShare, parseCpuLine, parseProcessStat, ticksOfTree, type CpuSample } from "./others-cpu.ts"
import { benchNames, loadBench } from "./registry.ts"
import { reportJson, reportTable } from "./report-text.ts"
import { figureOf, interleaved, median } from "./rounds.ts"

const REPORT: BenchReport = {
  bench: "toy",
  figures: [{ name: "latency", value: 2.5, unit: "ms", better: "lower", baseline: { name: "peer", value: 5 }, rounds: [2, 2.5, 3] }],
  presentations: [],
  machine: { cpus: 2, node: "v24.0.0", commit: "0123456789abcdef", othersCpu: 0.25 },
}

async function command(...args: string[]): Promise<{ code: number; out: string[]; notes: string[] }> {
  const out: string[] = []
  const notes: string[] = []
  const code = await benchCommand(args, { out: (text) => out.push(text), note: (text) => notes.push(text) })
  return { code, out, notes }
}

describe("the list of benches", () => {
  it("is JSON where that is asked for", async () => {
    const { code, out } = await command("--json")
    expect(code).toBe(0)
    const { benches } = JSON.parse(out.join("\n")) as { readonly benches: readonly { readonly name: string; readonly draws: boolean }[] }
    expect(benches.map(({ name }) => name)).toEqual(benchNames())
    expect(benches.filter(({ draws }) => draws).map(({ name }) => name)).toEqual(["locks", "numa"])
  })
})

describe("tables and pictures", () => {
  const table = { name: "curve", title: "A curve", columns: ["x", "y"], rows: [[1, 2]], text: "A curve\n  x  y", svg: null }

  it("stand before the figures for people, and beside them for programs", () => {
    const report = { ...REPORT, presentations: [table] }
    expect(reportTable(report)).toMatch(/^A curve\n {2}x {2}y\n\nbench toy/)
    const { tables } = JSON.parse(reportJson(report)) as { tables: unknown }
    expect(tables).toEqual([{ name: "curve", title: "A curve", columns: ["x", "y"], rows: [[1, 2]] }])
    expect(reportJson(REPORT)).not.toContain("tables")
  })

  it("go to a file that ends in .svg", async () => {
    expect(await command("sim", "--svg", "curve.png")).toMatchObject({ code: 2, notes: [expect.stringContaining(".svg")] })
    expect(await command("sim", "--svg")).toMatchObject({ code: 2 })
  })
})

describe("rounds", () => {
  it("go in turn, warm-ups first and not counted, and each contender goes first in some round", async () => {
    const calls: string[] = []
    const contender = (name: string) => () => {
      calls.push(name)
      return calls.length
    }
    const figures = await interleaved({ ours: contender("o"), peer: contender("p") }, { rounds: 2, warmups: 1, progress: () => undefined })
    expect(calls.join("")).toBe("oppoop")
    expect(figures).toEqual({ ours: [4, 5], peer: [3, 6] })
  })

  it("refuse a round that gives no number", async () => {
    await expect(interleaved({ ours: () => Number.NaN }, { rounds: 1, progress: () => undefined })).rejects.toThrow(
      /a round of ours gives a number/,
    )
  })

  it("give medians", () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
    expect(figureOf({ name: "a", unit: "s", better: "lower" }, { ours: [9, 1, 2], baseline: [4, 6], baselineName: "peer" })).toEqual({
      name: "a",
      value: 2,
      unit: "s",
      better: "lower",
      baseline: { name: "peer", value: 5 },
      rounds: [9, 1, 2],
    })
  })
})

describe("other processes' share", () => {
  it("is what was busy and not ours, of all", () => {
    const before: CpuSample = { busyTicks: 100, totalTicks: 1000, oursTicks: 50 }
    expect(othersShare(before, { busyTicks: 400, totalTicks: 2000, oursTicks: 250 })).toBe(0.1)
    expect(othersShare(before, { busyTicks: 200, totalTicks: 2000, oursTicks: 350 })).toBe(0)
    expect([othersShare(null, before), othersShare(before, before)]).toEqual([null, null])
  })

  it("counts idle and waiting for a disk as idle, and guests once", () => {
    expect(parseCpuLine("cpu  10 1 5 80 4 0 0 2 7 0\ncpu0 1 1 1 1\n")).toEqual({ busyTicks: 18, totalTicks: 102 })
    expect(parseCpuLine("")).toBeNull()
  })

  it("knows children and theirs as ours, whatever a process is called", () => {
    const stat = (pid: number, parent: number, name: string): string =>
      `${pid} (${name}) S ${parent} 1 1 0 -1 4194304 1 1 0 0 10 5 3 2 20 0 1 0`
    const processes = [
      stat(1, 0, "init"),
      stat(30, 20, "grand child"),
      stat(10, 1, "me"),
      stat(20, 10, "a) b (c"),
      stat(40, 1, "other"),
    ].map((line) => parseProcessStat(line)!)
    expect(processes[3]).toEqual({ pid: 20, parentPid: 10, ticks: 20 })
    expect(ticksOfTree(processes, 10)).toBe(60)
    expect(parseProcessStat("")).toBeNull()
  })
})

describe("a report", () => {
  it("as JSON has exactly the agreed fields in their order", () => {
    expect(reportJson(REPORT)).toBe(
      `{"bench":"toy","figures":[{"name":"latency","value":2.5,"unit":"ms","better":"lower","baseline":{"name":"peer","value":5},"rounds":[2,2.5,3]}],` +
        `"machine":{"cpus":2,"node":"v24.0.0","commit":"0123456789abcdef","othersCpu":0.25}}`,
    )
  })

  it("as a table shows median, spread, baseline and ratio", () => {
    expect(reportTable(REPORT).split("\n")).toEqual([
      "bench toy",
      "figure   median  rounds  baseline  ratio",
      "latency  2.5 ms  2 … 3   5 (peer)  0.5 ×  lower is better",
      "2 CPUs, Node.js v24.0.0, commit 0123456789ab, other processes' share of the CPU: 25 %",
    ])
  })
})

describe("the command", () => {
  it("lists every bench with its summary", async () => {
    const { code, out } = await command()
    expect(code).toBe(0)
    expect(out.map((line) => line.split(" ")[0])).toEqual(benchNames())
  })

  it("every bench file exports a bench of its name", async () => {
    for (const name of benchNames()) expect((await loadBench(name)).name).toBe(name)
  })

  it("answers wrong arguments with what there is", async () => {
    expect(await command("simm")).toMatchObject({
      code: 2,
      out: [],
      notes: [expect.stringMatching(/^backplane: no bench is named "simm": there are .*sim/)],
    })
    expect(await command("sim", "--jsno")).toMatchObject({
      code: 2,
      notes: ["backplane: no option --jsno: there are --json, --rounds N and --svg FILE"],
    })
    expect(await command("sim", "--rounds", "0")).toMatchObject({
      code: 2,
      notes: ["backplane: --rounds takes a whole number from 1 to 1000"],
    })
    expect(await command("sim", "bus")).toMatchObject({ code: 2, notes: ["backplane: one bench at a time: sim or bus"] })
  })

  it("gives the simulation's figure beside its baseline", async () => {
    const { code, out } = await command("sim", "--json", "--rounds", "1")
    expect(code).toBe(0)
    const report: unknown = JSON.parse(out.join(""))
    expect(report).toMatchObject({
      bench: "sim",
      figures: expect.arrayContaining([expect.objectContaining({ name: "messages_per_second", unit: "messages/s", better: "higher" })]),
    })
  })
})
