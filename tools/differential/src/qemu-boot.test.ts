/** What QEMU is told, and the same conversation with it; its process only where it is installed. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { imagePath, readManifest } from "@backplane/guests/manifest"
import { bootByQemu, qemuArguments, qemuPlanOf } from "./qemu-boot.ts"

const isInstalled = spawnSync("qemu-system-riscv64", ["--version"]).status === 0
const SPIN = imagePath(readManifest().guests.find(({ name }) => name === "spin")!)
const KERNEL = join(import.meta.dirname, "../../guests/images/kernel.bin")

describe("the same guest under QEMU", () => {
  it("takes what boot takes, its steps in order", () => {
    const steps = ["--expect", "$ ", "--type", "ls", "--expect", "README"]
    const plan = qemuPlanOf(["--cpus", "3", "--json", "--kernel", "k", "--polling", "run", ...steps, "--timeout", "9"])
    expect(plan).toMatchObject({ kernel: "k", cpus: "3", memory: "128M", timeout: 9 })
    expect(plan.steps).toEqual([
      { kind: "expect", text: "$ " },
      { kind: "type", text: "ls" },
      { kind: "expect", text: "README" },
    ])
    expect(() => qemuPlanOf(["--cpus", "1"])).toThrow("--kernel is missing")
    expect(() => qemuPlanOf(["--kernel", "k", "--timeout", "soon"])).toThrow("--timeout: soon are no seconds")
  })

  it("starts an ELF file bare, another over the firmware, with a disk in the first slot", () => {
    const plan = qemuPlanOf(["--kernel", "k", "--append", "quiet", "--initrd", "i"])
    const words = (bare: boolean, disk: string | null): string => qemuArguments(plan, { disk, bare }).join(" ")
    expect(words(true, null)).toContain("-machine virt -bios none -kernel k -m 128M -smp 1")
    expect(words(true, null)).not.toContain("virtio")
    expect(words(false, "d")).toContain("-bios default")
    expect(words(false, "d")).toContain("-initrd i -append quiet")
    expect(words(false, "d")).toContain("-drive file=d,if=none,format=raw,id=x0 -device virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0")
  })

  it.runIf(isInstalled)(
    "talks with it, keeps the disk that it left, and says which step it waits for no more",
    { timeout: 120_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "backplane-qemu-test-"))
      try {
        const [disk, kept] = [join(folder, "disk.img"), join(folder, "kept.img")]
        writeFileSync(disk, Buffer.alloc(512 * 512, 7))
        const boot = ["--kernel", KERNEL, "--disk", disk, "--save-disk", kept, "--timeout", "90"]
        const written = await bootByQemu(qemuPlanOf([...boot, "--expect", "$ ", "--type", "format; save note it-stays", "--expect", "$ "]))
        expect(written).toMatchObject({ ok: true, reason: "steps-done" })
        expect(readFileSync(kept).includes("it-stays")).toBe(true)
        expect(readFileSync(disk).equals(Buffer.alloc(512 * 512, 7))).toBe(true)
        const late = await bootByQemu(qemuPlanOf(["--kernel", SPIN, "--expect", "never said", "--timeout", "1"]))
        expect(late).toMatchObject({ ok: false, reason: "timeout" })
      } finally {
        rmSync(folder, { recursive: true })
      }
    },
  )
})
