import { describe, expect, it } from "vitest"
import { cells, flatten, text } from "./flattened.ts"
import { ISA, virtDeviceTree } from "./virt-tree.ts"

/** Reads a DTB back into `path/property` → bytes: the format once more, from the specification's side. */
function parse(blob: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
  const header = Array.from({ length: 10 }, (_, index) => view.getUint32(index * 4))
  expect(header[0]).toBe(0xd00dfeed)
  expect(header[1]).toBe(blob.length)
  const found = new Map<string, Uint8Array>()
  const path: string[] = []
  let at = header[2]!
  const ended = at + header[9]!
  while (at < ended) {
    const token = view.getUint32(at)
    at += 4
    if (token === 1) {
      const name = zeroTerminated(blob, at)
      path.push(name)
      at += (name.length + 4) & ~3
    } else if (token === 2) path.pop()
    else if (token === 3) {
      const length = view.getUint32(at)
      found.set([...path, zeroTerminated(blob, header[3]! + view.getUint32(at + 4))].join("/"), blob.slice(at + 8, at + 8 + length))
      at += 8 + ((length + 3) & ~3)
    } else expect([token, path.length, at]).toEqual([9, 0, ended])
  }
  return found
}

function zeroTerminated(blob: Uint8Array, at: number): string {
  return String.fromCharCode(...blob.slice(at, blob.indexOf(0, at)))
}

const string = (bytes: Uint8Array | undefined) => String.fromCharCode(...(bytes ?? [])).replace(/\0$/, "")
const numbers = (bytes: Uint8Array | undefined) => {
  const view = new DataView((bytes ?? new Uint8Array(0)).slice().buffer)
  return Array.from({ length: view.byteLength / 4 }, (_, index) => view.getUint32(index * 4))
}

describe("flattened device tree", () => {
  it("keeps nodes, properties and padding", () => {
    const tree = parse(
      flatten({ name: "", properties: [text("a", "xyz")], children: [{ name: "node@1", properties: [cells("a", 1, 2)], children: [] }] }),
    )
    expect([...tree.keys()]).toEqual(["/a", "/node@1/a"])
    expect(numbers(tree.get("/node@1/a"))).toEqual([1, 2])
  })
})

describe("the board's device tree", () => {
  const tree = parse(
    virtDeviceTree({
      harts: 2,
      memoryBytes: 128n << 20n,
      bootArguments: "console=ttyS0",
      initialRamDisk: { from: 0x8400_0000n, to: 0x8410_0000n },
    }),
  )

  it("tells memory, arguments and the RAM disk", () => {
    expect(numbers(tree.get("/memory@80000000/reg"))).toEqual([0, 0x8000_0000, 0, 0x800_0000])
    expect(string(tree.get("/chosen/bootargs"))).toBe("console=ttyS0")
    expect(numbers(tree.get("/chosen/linux,initrd-end"))).toEqual([0, 0x8410_0000])
  })

  it("has each hart with its ISA, without an FPU", () => {
    expect(string(tree.get("/cpus/cpu@1/riscv,isa"))).toBe(ISA)
    expect(ISA.split("_")[0]).toBe("rv64imac")
    expect(tree.has("/cpus/cpu@2/reg")).toBe(false)
  })

  it("wires the PLIC's contexts in the order M, S of each hart", () => {
    const wires = numbers(tree.get("/soc/plic@c000000/interrupts-extended"))
    const controllers = [0, 1].map((hart) => numbers(tree.get(`/cpus/cpu@${hart}/interrupt-controller/phandle`))[0])
    expect(wires).toEqual([controllers[0], 11, controllers[0], 9, controllers[1], 11, controllers[1], 9])
  })

  it("has the console, eight virtio slots and a way to switch off", () => {
    expect(string(tree.get("/chosen/stdout-path"))).toBe("/soc/serial@10000000")
    expect(numbers(tree.get("/soc/virtio_mmio@10008000/interrupts"))).toEqual([8])
    expect(numbers(tree.get("/poweroff/regmap"))).toEqual(numbers(tree.get("/soc/test@100000/phandle")))
  })
})
