/** Programs of the timed multiprocessor: `workloads/<name>.c`, built to `images/workloads/<name>.elf`. What their parameters are stands in the source. */
import { chmodSync } from "node:fs"
import { compileOptions, run } from "./toolchain.ts"
import { pathOf } from "./manifest.ts"

export const WORKLOADS = ["locks", "sharing", "kernel", "numa", "mixture", "structure"] as const
export type Workload = (typeof WORKLOADS)[number]

export function workloadPath(name: Workload): string {
  return pathOf(`images/workloads/${name}.elf`)
}

/** Throws with the compiler's message. */
export function buildWorkload(name: Workload, output: string): void {
  const sources = ["workloads/start.S", `workloads/${name}.c`]
  run("gcc", [...compileOptions, "-Iworkloads", "-T", "workloads/link.ld", ...sources, "-o", output])
  run("strip", ["--strip-all", output])
  chmodSync(output, 0o644)
}
