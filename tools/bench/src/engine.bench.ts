/**
 * The RV64 engine: how fast `backplane exec` runs a guest, against qemu-system-riscv64 on the same image in turn.
 *
 * Both run as commands of their own each round, so that neither begins warm. MIPS are instructions over CPU seconds, all threads
 * counted: ours while the guest runs, compilation included; qemu's whole command less that of a guest that ends at once. What qemu
 * executes is counted by ours: the image is deterministic. Where qemu is not installed, its figures are missing and the baseline of
 * `mips` is one.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert } from "@backplane/foundation-base/assert"
import { commandCpuSeconds, installed } from "./command-cpu.ts"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { figureOf, interleaved } from "./rounds.ts"

const ROOT = join(import.meta.dirname, "../../..")
const IMAGES = join(ROOT, "tools/guests/images")
const LONG = join(IMAGES, "bench.elf")
const SHORT = join(IMAGES, "arith.elf")
const QEMU = "qemu-system-riscv64"
const QEMU_ARGS = ["-machine", "virt", "-bios", "none", "-m", "128", "-display", "none", "-serial", "null", "-monitor", "none", "-kernel"]
const DEADLINE_MS = 120_000

interface ExecReport {
  readonly exit: number
  readonly instructions: number
  readonly cpuSeconds: number
}

function isReport(value: unknown): value is ExecReport {
  return typeof value === "object" && value !== null && "exit" in value && "instructions" in value && "cpuSeconds" in value
}

function exec(image: string): ExecReport {
  const run = spawnSync(process.execPath, [join(ROOT, "apps/cli/src/main.ts"), "exec", image, "--json"], {
    encoding: "utf8",
    timeout: DEADLINE_MS,
  })
  const report: unknown = JSON.parse(run.stdout)
  assert(isReport(report) && report.exit === 0, `exec runs ${image} to its end`)
  return report
}

function wallMilliseconds(work: () => unknown): number {
  const started = performance.now()
  work()
  return performance.now() - started
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const { instructions } = exec(LONG)
  const cpuSeconds: number[] = []
  const ours = (): number => {
    const report = exec(LONG)
    cpuSeconds.push(report.cpuSeconds)
    return report.instructions / report.cpuSeconds / 1e6
  }
  // The shell's clock has steps of 10 ms: below one of them nothing is known.
  const theirs = (): number =>
    instructions / Math.max(0.01, commandCpuSeconds([QEMU, ...QEMU_ARGS, LONG]) - commandCpuSeconds([QEMU, ...QEMU_ARGS, SHORT])) / 1e6
  const withQemu = installed(QEMU)
  if (!withQemu) options.progress(`${QEMU} is not installed: no ratio (Debian: apt-get install qemu-system-misc)`)
  const speed = await interleaved({ ours, theirs: withQemu ? theirs : () => 1 }, options)
  const start = await interleaved(
    { ours: () => wallMilliseconds(() => exec(SHORT)), bare: () => wallMilliseconds(() => spawnSync(process.execPath, ["-e", "0"])) },
    options,
  )
  const baselineName = withQemu ? "qemu-system-riscv64 -machine virt" : "one"
  const same = (value: number): readonly number[] => [value]
  const constant = { ours: same(instructions), baseline: same(instructions), baselineName: "the same image" }
  const ratios = speed.ours.map((value, round) => value / (speed.theirs[round] ?? 1))
  return [
    figureOf(
      { name: "mips", unit: "million instructions per CPU second", better: "higher" },
      { ours: speed.ours, baseline: speed.theirs, baselineName },
    ),
    ...(withQemu
      ? [
          figureOf(
            { name: "qemu_ratio", unit: "share of qemu's speed", better: "higher" },
            { ours: ratios, baseline: same(1), baselineName },
          ),
        ]
      : []),
    figureOf(
      { name: "startup_ms", unit: "ms", better: "lower" },
      { ours: start.ours, baseline: start.bare, baselineName: "node that does nothing" },
    ),
    figureOf({ name: "instructions", unit: "instructions", better: "lower" }, constant),
    figureOf(
      { name: "cpu_seconds", unit: "s", better: "lower" },
      { ours: cpuSeconds.slice(1), baseline: speed.theirs.map((mips) => instructions / mips / 1e6), baselineName },
    ),
  ]
}

export const bench: Bench = {
  name: "engine",
  summary: "million instructions per CPU second of a bare-metal guest and start of exec, against qemu-system-riscv64 on the same image",
  run,
}
