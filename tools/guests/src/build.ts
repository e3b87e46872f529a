/**
 * Builds the guests' images: `node tools/guests/src/build.ts` writes all of them to images/.
 *
 * Needs Debian's gcc-riscv64-unknown-elf. The images are committed, so nobody else needs it. The same compiler gives the same bytes.
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { imagePath, pathOf, readManifest, type Guest } from "./manifest.ts"

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
const RUNTIME = ["runtime/crt0.S", "runtime/runtime.c"]
/** What the board looks for; all other symbols go. */
const KEPT_SYMBOLS = ["--keep-symbol=tohost", "--keep-symbol=fromhost"]

/** First line of the compiler's `--version`, or null where it is not installed. */
export function compilerVersion(): string | null {
  const { status, stdout } = spawnSync(`${TOOL}gcc`, ["--version"], { encoding: "utf8" })
  return status === 0 ? (stdout.split("\n")[0] ?? null) : null
}

/** Builds one guest into `output`. Throws with the compiler's message. */
export function buildGuest(guest: Guest, output: string): void {
  const flat = guest.format === "flat"
  const linked = flat ? `${output}.elf` : output
  const script = flat ? "runtime/image.ld" : "runtime/link.ld"
  const defines = guest.define.map((definition) => `-D${definition}`)
  const sources = flat ? guest.sources : [...RUNTIME, ...guest.sources]
  run("gcc", [...ARCHITECTURE, ...FREESTANDING, ...LINKING, ...defines, "-Iruntime", "-T", script, ...sources, "-o", linked])
  if (flat) {
    run("objcopy", ["-O", "binary", linked, output])
    rmSync(linked)
  } else run("strip", ["--strip-all", ...KEPT_SYMBOLS, output])
}

/** In the package's folder, with relative names, so that no path gets into an image. */
function run(tool: string, options: readonly string[]): void {
  const { status, stderr, error } = spawnSync(`${TOOL}${tool}`, options, { cwd: pathOf("."), encoding: "utf8" })
  if (error !== undefined) throw new Error(`${TOOL}${tool} can not be started: apt-get install gcc-riscv64-unknown-elf`)
  if (status !== 0) throw new Error(`${TOOL}${tool} failed:\n${stderr}`)
}

function main(): void {
  mkdirSync(pathOf("images"), { recursive: true })
  for (const guest of readManifest().guests) buildGuest(guest, imagePath(guest))
}

if (import.meta.main) main()
