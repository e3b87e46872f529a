import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { judged, planOf, runMatrix, tableOf } from "./guest-matrix.ts"

const arith = imagePath(readManifest().guests.find(({ name }) => name === "arith")!)

describe("a guest on several machines", () => {
  it("runs once in each cell, tells which failed, and not again what passed", { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-matrix-"))
    try {
      const out = join(folder, "cells.jsonl")
      const cells = ["--machines", "native/walk,assist/walk", "--out", out, "--", "--kernel", arith, "--memory", "16M"]
      const told: string[] = []
      const results = runMatrix(planOf(cells), (line) => told.push(line))
      expect(results.map(({ machine, ok }) => [machine, ok])).toEqual([["native/walk", true], ["assist/walk", false]]) // prettier-ignore
      expect(results[1]?.reason).toContain("--mmu: walk is not for mode assist")
      expect(readFileSync(out, "utf8").trim().split("\n")).toHaveLength(2)
      const again: string[] = []
      runMatrix(planOf(["--machines", "native/walk", ...cells.slice(2)]), (line) => again.push(line))
      expect(again).toEqual([`${told[0]} (before)`])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("puts the cell's name where boot is told a file", { timeout: 60_000 }, () => {
    const kernel = arith.replace("arith", "{cell}")
    const [result] = runMatrix(planOf(["--machines", "trap/nested", "--cpus", "2", "--", "--kernel", kernel]), () => undefined)
    expect(result).toMatchObject({ ok: false })
    expect(result?.reason).toContain("trap-nested-2")
  })

  it("passes a guest that never ends at its limit, and none that said what it must not", () => {
    const result = { machine: "native/walk", cpus: 1, ok: false, reason: "limit", cpuSeconds: 1, instructions: 1, transcript: "ABAB" }
    const never = ["panic", "grind:"]
    expect(judged(result, { endless: true, never })).toMatchObject({ ok: true, lastWords: "ABAB" })
    expect(judged(result, { endless: false, never })).toMatchObject({ ok: false })
    expect(judged({ ...result, ok: true, reason: "steps-done" }, { endless: true, never })).toMatchObject({
      ok: false,
      reason: "steps-done",
    })
    const troubled = { ...result, transcript: "ABA\npanic: kerneltrap" }
    expect(judged(troubled, { endless: true, never })).toMatchObject({ ok: false, reason: 'it said "panic"' })
    expect(judged({ ...troubled, ok: true }, { endless: false, never })).toMatchObject({ ok: false })
  })

  it("has a row for each machine and a column for each number of CPUs", () => {
    const result = { ok: true, reason: "end", cpuSeconds: 95.04, instructions: 37.3e9 }
    const table = tableOf([
      { machine: "native/walk", cpus: 1, ...result },
      { machine: "trap/nested", cpus: 1, ...result },
      { machine: "trap/nested", cpus: 3, ...result, ok: false, reason: "timeout" },
    ])
    expect(table.split("\n").map((line) => line.replace(/ {2,}/g, " | "))).toEqual([
      " | 1 CPU | 3 CPUs",
      "native/walk | ok | 95.0 CPU s | 37.30 G | -",
      "trap/nested | ok | 95.0 CPU s | 37.30 G | FAILED (timeout) | 95.0 CPU s | 37.30 G",
    ])
  })

  it("names what is missing or odd", () => {
    expect(() => planOf(["--cpus", "1"])).toThrow("give -- and then")
    expect(() => planOf(["--cpus", "none", "--"])).toThrow("--cpus: none are no counts")
    expect(() => planOf(["--machines", "fast", "--"])).toThrow("--machines: fast is no mode and mmu")
  })
})
