/**
 * Builds the guests' images: `node tools/guests/src/build.ts` writes all of them to images/.
 *
 * Needs Debian's gcc-riscv64-unknown-elf. The images are committed, so nobody else needs it. The same compiler gives the same bytes.
 */
import { mkdirSync, rmSync } from "node:fs"
import { buildKernels, kernelPath } from "./build-kernel.ts"
import { compileOptions, flatten, run, strip } from "./toolchain.ts"
import { WORKLOADS, buildWorkload, workloadPath } from "./workloads.ts"
import { imagePath, pathOf, readManifest, type Guest } from "./manifest.ts"

const RUNTIME = ["runtime/crt0.S", "runtime/runtime.c"]
/** What the board looks for; all other symbols go. */
const KEPT_SYMBOLS = ["--keep-symbol=tohost", "--keep-symbol=fromhost"]

/** Builds one guest into `output`. Throws with the compiler's message. */
export function buildGuest(guest: Guest, output: string): void {
  const flat = guest.format === "flat"
  const linked = flat ? `${output}.elf` : output
  const script = flat ? "runtime/image.ld" : "runtime/link.ld"
  const defines = guest.define.map((definition) => `-D${definition}`)
  const sources = flat ? guest.sources : [...RUNTIME, ...guest.sources]
  run("gcc", [...compileOptions, ...defines, "-Iruntime", "-T", script, ...sources, "-o", linked])
  if (flat) {
    flatten(linked, output)
    rmSync(linked)
  } else strip(output, KEPT_SYMBOLS)
}

function main(): void {
  mkdirSync(pathOf("images"), { recursive: true })
  for (const guest of readManifest().guests) buildGuest(guest, imagePath(guest))
  buildKernels(kernelPath)
  mkdirSync(pathOf("images/workloads"), { recursive: true })
  for (const name of WORKLOADS) buildWorkload(name, workloadPath(name))
}

if (import.meta.main) main()
