/**
 * Builds the images of the teaching kernel: all programs into one image first, then the kernel around it, once for each variant.
 *
 * Not here: the compiler and its options (toolchain.ts).
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { compileOptions, flatten, run } from "./toolchain.ts"
import { pathOf } from "./manifest.ts"

export interface KernelVariant {
  /** Of the image: `images/<name>.bin`. */
  readonly name: string
  readonly define: readonly string[]
  readonly what: string
}

export const KERNELS: readonly KernelVariant[] = [
  { name: "kernel", define: [], what: "Sv39, a lock for each thing" },
  { name: "kernel-biglock", define: ["BIGLOCK"], what: "Sv39, one lock around the whole kernel" },
  { name: "kernel-softtlb", define: ["SOFTTLB"], what: "a TLB that the kernel fills itself" },
]

export function kernelPath({ name }: Pick<KernelVariant, "name">): string {
  return pathOf(`images/${name}.bin`)
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
      flatten(linked, output(kernel))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
