/** Which devices a guest finds, and which hart hears of them: by flags. */
import { describe, expect, it, vi } from "vitest"
import { affinityOf, devicesOf } from "./boot-devices.ts"
import { planOf, type BootFlags } from "./boot-flags.ts"
import { readGuest } from "./guest-file.ts"
import { imageRef } from "./image-upload.ts"
import { homeFolder } from "./stack-client.ts"

const flags = (change: Partial<BootFlags>): BootFlags => ({
  kernel: "not read",
  cpus: 1,
  memory: 16 << 20,
  mode: "trap",
  trapPath: "resident",
  ...change,
})

describe("boot's devices", () => {
  it("chance with a seed is the same again, and another with another seed", () => {
    const [one, again, other] = ["a", "a", "b"].map((virtioRng) => devicesOf(flags({ virtioRng })).options.virtio!.entropy!(16))
    expect(one).toEqual(again)
    expect(one).not.toEqual(other)
    expect(devicesOf(flags({ virtioRng: "random" })).options.virtio!.entropy!(5)).toHaveLength(5)
  })

  it("a file that cannot be read is told of with its flag and the remedy", () => {
    const folder = import.meta.dirname
    expect(() => devicesOf(flags({ disk: "nowhere/fs.img" }))).toThrow('--disk: cannot read "nowhere/fs.img": there is no such file; give')
    expect(() => devicesOf(flags({ initrd: folder }))).toThrow(/^--initrd: cannot read .*: it is a folder; give/)
    expect(() => readGuest("nowhere/kernel", 1 << 20, "--kernel")).toThrow("--kernel: cannot read")
    expect(() => readGuest(import.meta.filename, 1 << 20, "--kernel")).toThrow(/^--kernel: .*boot-devices.test.ts: /)
    expect(() => imageRef("", { flag: "--kernel" })).toThrow('--kernel: cannot read ""')
    expect(() => imageRef("empty", { flag: "--initrd", data: new Uint8Array(0) })).toThrow(
      "--initrd: empty has 0 bytes; give an image of 1",
    )
  })

  it("where the stack is: a variable that is empty is none, a flag that is empty is refused", () => {
    vi.stubEnv("BACKPLANE_HOME", "")
    const usual = homeFolder(undefined)
    expect(usual).toMatch(/\.backplane$/)
    vi.stubEnv("BACKPLANE_HOME", "/elsewhere")
    expect([homeFolder(undefined), homeFolder("/there")]).toEqual(["/elsewhere", "/there"])
    expect(() => homeFolder("")).toThrow("--home: the folder has no name; give one, or leave the flag out")
    vi.unstubAllEnvs()
  })

  it("a disk in the store needs a machine with one", () => {
    expect(() => devicesOf(flags({ disk: "kv:data" }))).toThrow(
      "--disk: kv:data is in a store, and there is none in this process; give --live or --sim",
    )
  })

  it("polling is run or give-way, and not where CPUs go by their clocks", () => {
    expect(planOf(flags({ polling: "give-way", mmu: "nested" }))).toEqual({ mode: "trap", mmu: "nested" })
    expect(() => planOf(flags({ polling: "nicely" }))).toThrow("--polling: there is no nicely; give run or give-way")
    expect(planOf(flags({ polling: "give-way", mode: "native" }))).toEqual({ mode: "native", mmu: "walk" })
    expect(() => planOf(flags({ polling: "give-way", mode: "native", fidelity: "timed" }))).toThrow("--polling: in a timed run")
  })

  it("an affinity names sources and harts that exist", () => {
    expect([...affinityOf("10:0,1:1+2", 3)]).toEqual([
      [10, 1],
      [1, 6],
    ])
    for (const text of ["10", "10:", "x:0", "96:0", "0:0", "10:3", "10:0+"]) expect(() => affinityOf(text, 3)).toThrow("--irq-affinity: ")
  })
})
