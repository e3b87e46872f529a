/**
 * Builds the images of the teaching kernel: all programs into one image first, then the kernel around it, once for each variant.
 *
 * Not here: the compiler and its options (toolchain.ts).
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compileOptions, flatten, run, strip } from "./toolchain.ts"
import { pathOf } from "./manifest.ts"

export interface KernelVariant {
  /** Of the image: `images/<name>.bin`; with firmware, an ELF file `images/<name>.elf`. */
  readonly name: string
  /** Starts in M-mode, with firmware of its own before the kernel. */
  readonly firmware?: boolean
  readonly define: readonly string[]
  readonly what: string
}

export const KERNELS: readonly KernelVariant[] = [
  { name: "kernel", define: [], what: "Sv39, a lock for each thing" },
  { name: "kernel-biglock", define: ["BIGLOCK"], what: "Sv39, one lock around the whole kernel" },
  { name: "kernel-softtlb", define: ["SOFTTLB"], what: "a TLB that the kernel fills itself" },
  { name: "kernel-firmware", define: [], firmware: true, what: "Sv39, started in M-mode by firmware of its own" },
]

/** Where the image of a variant is, by its name. */
export function kernelPath({ name }: Pick<KernelVariant, "name">): string {
  const firmware = KERNELS.some((kernel) => kernel.name === name && kernel.firmware === true)
  return pathOf(`images/${name}.${firmware ? "elf" : "bin"}`)
}

/** In a stable order, so that the same sources give the same bytes. */
function sources(folder: string): readonly string[] {
  return readdirSync(pathOf(folder))
    .filter((name) => /\.[cS]$/.test(name))
    .toSorted()
    .map((name) => `${folder}/${name}`)
}

/** Builds each variant and hands it to `output`, which says where it shall go. Throws with the compiler's message. */
export function buildKernels(output: (kernel: KernelVariant) => string): void {
  const folder = mkdtempSync(join(tmpdir(), "kernel-"))
  try {
    const programs = join(folder, "programs")
    run("gcc", [...compileOptions, "-T", "kernel/user/user.ld", ...sources("kernel/user"), "-o", `${programs}.elf`])
    flatten(`${programs}.elf`, `${programs}.bin`)
    for (const kernel of KERNELS) {
      const linked = join(folder, `${kernel.name}.elf`)
      const defines = kernel.define.map((definition) => `-D${definition}`)
      // By include path and not by its whole name: no path of this computer gets into an image.
      const programImage = ["-I", folder, '-DUSER_IMAGE_FILE="programs.bin"']
      run("gcc", [...compileOptions, ...defines, ...programImage, "-T", "kernel/kernel.ld", ...sources("kernel"), "-o", linked])
      if (kernel.firmware === true) addFirmware({ folder, linked, output: output(kernel) })
      else flatten(linked, output(kernel))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The firmware, with the flat kernel as one of its segments. */
function addFirmware({ folder, linked, output }: { readonly folder: string; readonly linked: string; readonly output: string }): void {
  flatten(linked, join(folder, "kernel.bin"))
  const kernelImage = ["-I", folder, '-DKERNEL_IMAGE_FILE="kernel.bin"']
  run("gcc", [...compileOptions, ...kernelImage, "-T", "kernel/firmware/firmware.ld", ...sources("kernel/firmware"), "-o", output])
  strip(output, [])
}
