/**
 * The teaching kernel from nothing to its shell, and a list of its programs: in each mode, against the native machine and against
 * qemu-system-riscv64 on the same image.
 *
 * `boot` is the kernel, its shell and one program that ends at once, then power off; `work` is system calls, context switches, forks, pages, pipes and
 * some computing. `native_overhead_*` compares CPU seconds while the guest runs (compilation of the engine included) with those of the native
 * machine in the same round; it is virtualisation alone, the engine is the same. `qemu_ratio*` compares whole commands, all threads: on QEMU's side
 * that is its start and OpenSBI too, on ours the start of Node.js. Where qemu is not installed, those are missing.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { assert, defined } from "@backplane/foundation-base/assert"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { commandCpuSeconds, installed } from "./command-cpu.ts"
import { figureOf, interleaved } from "./rounds.ts"

const ROOT = join(import.meta.dirname, "../../..")
const image = (name: string): string => join(ROOT, "tools/guests/images", `${name}.bin`)
const KERNEL = image("kernel")
const QEMU = "qemu-system-riscv64"
const QEMU_ARGS = ["-machine", "virt", "-m", "128", "-display", "none", "-serial", "null", "-monitor", "none", "-kernel", KERNEL, "-append"]
const DEADLINE_MS = 120_000
const BOOT = "run=true"
const WORK = "run=syscalls 20000; pingpong 2000; forks 200; spawns 100; faults 2000; pipes 100000; walk 256 100; copies 64; primes 5000"

interface Way {
  readonly name: string
  readonly flags: readonly string[]
  readonly kernel?: string
}

/** Every way to run the kernel as a guest. The software TLB is another build of it: what it pays over the native machine is the refills, too. */
const VIRTUAL: readonly Way[] = [
  { name: "trap_shadow", flags: ["--mode", "trap", "--mmu", "shadow"] },
  { name: "trap_nested", flags: ["--mode", "trap", "--mmu", "nested"] },
  { name: "assist_shadow", flags: ["--mode", "assist", "--mmu", "shadow"] },
  { name: "assist_nested", flags: ["--mode", "assist", "--mmu", "nested"] },
  { name: "para_shadow", flags: ["--mode", "para", "--mmu", "shadow"] },
  { name: "para_nested", flags: ["--mode", "para", "--mmu", "nested"] },
  { name: "assist_softtlb", flags: ["--mode", "assist", "--mmu", "softtlb"], kernel: image("kernel-softtlb") },
]
const NATIVE: Way = { name: "native_walk", flags: ["--mode", "native", "--mmu", "walk"] }
/** The one that is compared with QEMU. */
const COMPARED: Way = { name: "assist_nested", flags: ["--mode", "assist", "--mmu", "nested"] }

interface BootReport {
  readonly ok: boolean
  readonly cpuSeconds: number
}

function isReport(value: unknown): value is BootReport {
  return typeof value === "object" && value !== null && "ok" in value && "cpuSeconds" in value && typeof value.cpuSeconds === "number"
}

function command({ flags, kernel = KERNEL }: Way, run: string): readonly string[] {
  return [process.execPath, join(ROOT, "apps/cli/src/main.ts"), "boot", "--kernel", kernel, ...flags, "--append", run, "--json"]
}

/** CPU seconds while the guest ran. */
function guestSeconds(way: Way, run: string): number {
  const [program = "", ...rest] = command(way, run)
  const { stdout, stderr } = spawnSync(program, rest, { encoding: "utf8", timeout: DEADLINE_MS, maxBuffer: 1 << 24 })
  const report: unknown = stdout === "" ? null : JSON.parse(stdout)
  assert(isReport(report) && report.ok, `the kernel runs to its end with ${way.flags.join(" ")}: ${stdout}${stderr}`)
  return report.cpuSeconds
}

async function overheads(options: BenchOptions): Promise<readonly Figure[]> {
  const contenders = { native: (): number => guestSeconds(NATIVE, WORK) }
  const virtual = Object.fromEntries(VIRTUAL.map((way) => [way.name, () => guestSeconds(way, WORK)]))
  const seconds: Readonly<Record<string, readonly number[]>> = await interleaved<string>({ ...contenders, ...virtual }, options)
  const native = defined(seconds["native"], "the native machine ran")
  const figures = VIRTUAL.flatMap(({ name }) => {
    const ours = defined(seconds[name], "each mode ran")
    const ratios = ours.map((value, round) => value / defined(native[round], "rounds go in turn"))
    return [
      figureOf(
        { name: `native_overhead_${name}`, unit: "times the native CPU time", better: "lower" },
        { ours: ratios, baseline: [1], baselineName: "native machine" },
      ),
      figureOf(
        { name: `work_cpu_seconds_${name}`, unit: "s", better: "lower" },
        { ours, baseline: native, baselineName: "native machine" },
      ),
    ]
  })
  return figures
}

async function starts(options: BenchOptions): Promise<readonly Figure[]> {
  const modes = [NATIVE, ...VIRTUAL]
  const contenders = Object.fromEntries(modes.map((way) => [way.name, () => guestSeconds(way, BOOT)]))
  const seconds: Readonly<Record<string, readonly number[]>> = await interleaved<string>(contenders, options)
  const native = defined(seconds["native_walk"], "the native machine ran")
  return modes.map(({ name }) =>
    figureOf(
      { name: `boot_cpu_seconds_${name}`, unit: "s", better: "lower" },
      { ours: defined(seconds[name], "each mode ran"), baseline: native, baselineName: "native machine" },
    ),
  )
}

async function againstQemu(options: BenchOptions): Promise<readonly Figure[]> {
  if (!installed(QEMU)) {
    options.progress(`${QEMU} is not installed: no ratio (Debian: apt-get install qemu-system-misc)`)
    return []
  }
  const figures: Figure[] = []
  for (const [name, run] of [
    ["qemu_ratio", BOOT],
    ["qemu_ratio_work", WORK],
  ] as const) {
    const seconds = await interleaved(
      { ours: () => commandCpuSeconds(command(COMPARED, run)), theirs: () => commandCpuSeconds([QEMU, ...QEMU_ARGS, run]) },
      options,
    )
    const ratios = seconds.ours.map((value, round) => value / defined(seconds.theirs[round], "rounds go in turn"))
    figures.push(
      figureOf(
        { name, unit: "times qemu's CPU time", better: "lower" },
        { ours: ratios, baseline: [1], baselineName: `${QEMU} -machine virt` },
      ),
      figureOf(
        { name: `${name.replace("qemu_ratio", "command_cpu_seconds")}`, unit: "s", better: "lower" },
        { ours: seconds.ours, baseline: seconds.theirs, baselineName: `${QEMU} -machine virt` },
      ),
    )
  }
  return figures
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  return [...(await starts(options)), ...(await overheads(options)), ...(await againstQemu(options))]
}

export const bench: Bench = {
  name: "boot",
  summary: "CPU time of the teaching kernel's boot and of its programs in each mode, against the native machine and qemu-system-riscv64",
  run,
}
