import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { readImage, type ImageOptions } from "./image.ts"
import { explain } from "./rejection.ts"
import { buildElf, type ElfPlan } from "./suite/build-elf.ts"

const OPTIONS: ImageOptions = { memory: { base: 0x8000_0000n, bytes: 1n << 20n }, symbols: ["tohost", "fromhost"] }
const CODE = Uint8Array.of(0x13, 0, 0, 0)
const PLAN: ElfPlan = {
  entry: 0x8000_0000n,
  segments: [{ virtualAddress: 0x8000_0000n, physicalAddress: 0x8000_0000n, data: CODE, memoryBytes: 0x100n }],
  symbols: [
    ["tohost_not", 0x8000_0f00n],
    ["tohost", 0x8000_0040n],
  ],
}

function read(file: Uint8Array) {
  return readImage(file, OPTIONS)
}

function rejection(file: Uint8Array): string {
  const answer = read(file)
  return answer.kind === "rejection" ? explain(answer) : "accepted"
}

/** The good file with some bytes changed. */
function patched(at: number, ...bytes: number[]): Uint8Array {
  const file = buildElf(PLAN)
  file.set(bytes, at)
  return file
}

describe("ELF64 images", () => {
  it("segments go to their physical addresses, with room for .bss; symbols are found by their whole name", () => {
    const image = read(buildElf(PLAN))
    expect(image).toMatchObject({
      kind: "image",
      format: "elf",
      start: "machine",
      entry: 0x8000_0000n,
      segments: [{ address: 0x8000_0000n, data: CODE, memoryBytes: 0x100n }],
    })
    expect(image.kind === "image" && [...image.symbols]).toEqual([["tohost", 0x8000_0040n]])
  })

  it("a kernel linked high and loaded low is entered at its physical address", () => {
    const high = 0xffff_ffff_8000_0000n
    const image = read(
      buildElf({
        ...PLAN,
        entry: high + 2n,
        segments: [{ virtualAddress: high, physicalAddress: 0x8001_0000n, data: CODE, memoryBytes: 4n }],
      }),
    )
    expect(image).toMatchObject({ kind: "image", entry: 0x8001_0002n })
  })

  it("a wrong class, byte order, machine or type is named", () => {
    expect(rejection(patched(4, 1))).toMatch(/^class: /)
    expect(rejection(patched(5, 2))).toMatch(/^byte order: /)
    expect(rejection(patched(18, 62, 0))).toMatch(/^machine: number 62, not 243/)
    expect(rejection(patched(16, 3))).toMatch(/^type: .*-static/)
    expect(rejection(patched(16, 1))).toMatch(/^type: .*link it/)
  })

  it("every truncation is named as such", () => {
    const file = buildElf(PLAN)
    for (let length = 4; length < file.length; length += 1) expect(rejection(file.slice(0, length))).toMatch(/truncated/)
  })

  it("overlapping segments, an entry outside RAM and an image larger than memory are named with the remedy", () => {
    const [first] = PLAN.segments
    expect(rejection(buildElf({ ...PLAN, segments: [first!, { ...first!, physicalAddress: 0x8000_00ffn }] }))).toMatch(
      /^segments: two of them overlap/,
    )
    expect(rejection(buildElf({ ...PLAN, entry: 0x1000n }))).toMatch(/^entry: 0x1000 lies outside RAM/)
    expect(rejection(buildElf({ ...PLAN, entry: 0x8000_0001n }))).toMatch(/^entry: .* odd/)
    expect(rejection(buildElf({ ...PLAN, segments: [{ ...first!, memoryBytes: 5n << 20n }] }))).toMatch(/--memory 5M/)
    expect(rejection(buildElf({ ...PLAN, segments: [{ ...first!, physicalAddress: 0x1_0000n }] }))).toMatch(
      /^segment 0: it begins at 0x10000, below RAM/,
    )
  })

  it("a damaged file is rejected or read, but never breaks the reader, and what is read lies inside memory", () => {
    const good = buildElf(PLAN)
    const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(damage, (changes) => {
        const file = good.slice()
        for (const [at, byte] of changes) file[at] = byte
        const answer = read(file)
        if (answer.kind === "rejection") return
        for (const { address, data, memoryBytes } of answer.segments) {
          expect(BigInt(data.length)).toBeLessThanOrEqual(memoryBytes)
          expect(address >= 0x8000_0000n && address + memoryBytes <= 0x8010_0000n).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe("flat images", () => {
  function flat(offset: bigint, size: bigint): Uint8Array {
    const file = new Uint8Array(128)
    const view = new DataView(file.buffer)
    view.setBigUint64(8, offset, true)
    view.setBigUint64(16, size, true)
    file.set([0x52, 0x49, 0x53, 0x43, 0x56], 0x30)
    return file
  }

  it("a kernel goes to its offset in RAM and starts in S-mode", () => {
    expect(read(flat(0x2_0000n, 0x1000n))).toMatchObject({
      kind: "image",
      format: "flat",
      start: "supervisor",
      entry: 0x8002_0000n,
      segments: [{ address: 0x8002_0000n, memoryBytes: 0x1000n }],
    })
  })

  it("one that does not fit says how much memory it needs", () => {
    expect(rejection(flat(0x20_0000n, 0x10_0000n))).toMatch(/^image size: .*--memory 3M/)
  })
})

describe("other files", () => {
  it("empty, compressed and unknown files each have their message", () => {
    expect(rejection(new Uint8Array(0))).toMatch(/^file: it is empty/)
    expect(rejection(Uint8Array.of(0x1f, 0x8b, 8))).toMatch(/gunzip/)
    expect(rejection(new Uint8Array(4096).fill(0xa5))).toMatch(/^magic: neither an ELF file/)
  })
})
