/** Runs one bench and says on what machine: what `backplane bench` and `main.ts` both call. */
import { execFileSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { assert } from "@backplane/foundation-base/assert"
import type { BenchOptions, BenchReport, Presentation } from "./bench.ts"
import { othersShare, sampleCpu } from "./others-cpu.ts"
import { loadBench } from "./registry.ts"

export const ROUNDS_DEFAULT = 5

export async function runBench(name: string, options: Partial<BenchOptions> = {}): Promise<BenchReport> {
  const bench = await loadBench(name)
  const { rounds = ROUNDS_DEFAULT, progress = () => undefined } = options
  const before = sampleCpu()
  const presentations: Presentation[] = []
  const present = (presentation: Presentation): void => void presentations.push(presentation)
  const figures = await bench.run({ rounds, progress, present })
  const othersCpu = othersShare(before, sampleCpu())
  assert(figures.length > 0, `bench ${name} gives a figure`)
  return {
    bench: name,
    figures,
    presentations,
    machine: { cpus: availableParallelism(), node: process.version, commit: commitOf(import.meta.dirname), othersCpu },
  }
}

function commitOf(folder: string): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
    return `${git("rev-parse", "HEAD")}${git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty"}`
  } catch {
    return "unknown"
  }
}
