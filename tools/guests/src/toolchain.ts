/** The compiler of the guests and how it is called: Debian's gcc-riscv64-unknown-elf. The same version gives the same bytes. */
import { spawnSync } from "node:child_process"
import { chmodSync } from "node:fs"
import { pathOf } from "./manifest.ts"

const TOOL = "riscv64-unknown-elf-"
const ARCHITECTURE = ["-march=rv64imac_zicsr_zifencei_zba_zbb_zbs", "-mabi=lp64", "-mcmodel=medany"]
const FREESTANDING = [
  "-O2",
  "-ffreestanding",
  "-fno-pic",
  "-fno-builtin",
  "-nostdlib",
  "-nostartfiles",
  "-static",
  "-Wall",
  "-Wextra",
  "-Werror",
]
const LINKING = ["-Wl,--build-id=none", "-Wl,-n", "-Wl,--no-warn-rwx-segments"]

export const compileOptions: readonly string[] = [...ARCHITECTURE, ...FREESTANDING, ...LINKING]

/** First line of the compiler's `--version`, or null where it is not installed. */
export function compilerVersion(): string | null {
  const { status, stdout } = spawnSync(`${TOOL}gcc`, ["--version"], { encoding: "utf8" })
  return status === 0 ? (stdout.split("\n")[0] ?? null) : null
}

/** A flat binary of what was linked. Images are data: not to be executed by the computer that built them. */
export function flatten(linked: string, output: string): void {
  run("objcopy", ["-O", "binary", linked, output])
  chmodSync(output, 0o644)
}

/** An ELF file without what nobody looks for at run time. `kept`: options for symbols that stay. */
export function strip(linked: string, kept: readonly string[]): void {
  run("strip", ["--strip-all", ...kept, linked])
  chmodSync(linked, 0o644)
}

/** In the package's folder, with relative names, so that no path gets into an image. */
export function run(tool: string, options: readonly string[]): void {
  const { status, stderr, error } = spawnSync(`${TOOL}${tool}`, options, { cwd: pathOf("."), encoding: "utf8" })
  if (error !== undefined) throw new Error(`${TOOL}${tool} can not be started: apt-get install gcc-riscv64-unknown-elf`)
  if (status !== 0) throw new Error(`${TOOL}${tool} failed:\n${stderr}`)
}
