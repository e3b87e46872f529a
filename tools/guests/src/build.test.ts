/** The committed images are what their sources say, and each can be loaded. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readImage } from "@backplane/compute-image/image"
import { buildGuest } from "./build.ts"
import { buildKernels, kernelPath, KERNELS } from "./build-kernel.ts"
import { WORKLOADS, buildWorkload, workloadPath } from "./workloads.ts"
import { compilerVersion } from "./toolchain.ts"
import { imagePath, readManifest } from "./manifest.ts"

const IMAGE_BYTES_MAX = 32 * 1024
const KERNEL_BYTES_MAX = 64 * 1024
const { compiler, guests } = readManifest()
const installed = compilerVersion()

describe("guest images", () => {
  it("are small and can be loaded", () => {
    for (const guest of guests) {
      expect(statSync(imagePath(guest)).size).toBeLessThan(IMAGE_BYTES_MAX)
      const memory = { base: 0x8000_0000n, bytes: 128n << 20n }
      const image = readImage(readFileSync(imagePath(guest)), { memory, symbols: ["tohost"] })
      expect(image).toMatchObject({ kind: "image", format: guest.format })
    }
    for (const kernel of KERNELS) {
      expect(statSync(kernelPath(kernel)).size).toBeLessThan(KERNEL_BYTES_MAX)
      const memory = { base: 0x8000_0000n, bytes: 128n << 20n }
      expect(readImage(readFileSync(kernelPath(kernel)), { memory, symbols: [] })).toMatchObject({
        kind: "image",
        format: kernel.firmware === true ? "elf" : "flat",
      })
    }
  })

  it("are rebuilt to the same bytes by the same compiler", { timeout: 300_000 }, () => {
    if (installed !== compiler) {
      console.log(`images not rebuilt: they were built by "${compiler}", here is ${installed === null ? "no compiler" : `"${installed}"`}`)
      return
    }
    const folder = mkdtempSync(join(tmpdir(), "guests-"))
    try {
      const different = guests.filter((guest) => {
        const output = join(folder, guest.name)
        buildGuest(guest, output)
        return !readFileSync(output).equals(readFileSync(imagePath(guest)))
      })
      expect(different.map((guest) => guest.name)).toEqual([])
      const built = (kernel: { readonly name: string }): string => join(folder, kernel.name)
      buildKernels(built)
      for (const name of WORKLOADS) buildWorkload(name, join(folder, `${name}.elf`))
      const stale = WORKLOADS.filter((name) => !readFileSync(join(folder, `${name}.elf`)).equals(readFileSync(workloadPath(name))))
      expect(stale).toEqual([])
      expect(KERNELS.filter((kernel) => !readFileSync(built(kernel)).equals(readFileSync(kernelPath(kernel))))).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
