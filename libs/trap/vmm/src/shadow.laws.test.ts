/** The shadow shows what the guest's own tables say: neither more nor less, under every privilege, and with A and D as the machine sets them. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { audit } from "./audit.ts"
import { INDICES, TABLES, TranslationWorld, type Step } from "./suite/translation-world.ts"
import type { Planted } from "./vm.ts"

const V = 1
const POINTER = V
/** The first entry most of all, so that an address comes again after its tables have changed. */
const index = fc.constantFrom(0, 0, 0, 0, ...INDICES)
const table = fc.nat(TABLES - 1)
const target = fc.oneof({ arbitrary: fc.nat(TABLES - 1), weight: 3 }, { arbitrary: fc.nat(TABLES + 6), weight: 4 })
const flags = fc.oneof(
  { arbitrary: fc.constant(POINTER), weight: 4 },
  { arbitrary: fc.nat(255).map((bits) => bits | V), weight: 5 },
  { arbitrary: fc.constantFrom(0xcf, 0xdf, 0x1f, 0x13, 0x57, 0x41), weight: 4 },
  { arbitrary: fc.nat(255), weight: 1 },
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ kind: fc.constant("entry" as const), table, index, target, flags }), weight: 4 },
  {
    arbitrary: fc.record({
      kind: fc.constant("state" as const),
      root: fc.constantFrom(0, 0, 1, 1, TABLES),
      privilege: fc.constantFrom<0 | 1>(0, 1),
      sum: fc.boolean(),
      mxr: fc.boolean(),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant("access" as const),
      indices: fc.tuple(index, index, index),
      high: fc.constantFrom(false, false, false, false, false, false, false, true),
      access: fc.constantFrom("fetch" as const, "load" as const, "store" as const),
    }),
    weight: 6,
  },
)
/** A tree to begin with, so that most accesses get somewhere: two roots over shared tables. */
const START: readonly Step[] = [
  ...INDICES.flatMap((at): Step[] => [
    { kind: "entry", table: 0, index: at, target: 2, flags: POINTER },
    { kind: "entry", table: 1, index: at, target: 3, flags: POINTER },
    { kind: "entry", table: 2, index: at, target: 4, flags: POINTER },
    { kind: "entry", table: 3, index: at, target: 5, flags: POINTER },
    { kind: "entry", table: 4, index: at, target: TABLES, flags: 0x0f },
    { kind: "entry", table: 5, index: at, target: TABLES + 1, flags: 0x1f },
  ]),
]

/** The first step at which the two machines differ, or null. */
function run(steps: readonly Step[], plant: (world: TranslationWorld) => void = () => undefined, planted: Planted = {}) {
  const world = new TranslationWorld((options) => new WasmEngine(options), planted)
  plant(world)
  for (const one of [...START, ...steps]) {
    const { seen, wanted } = world.step(one)
    if (seen !== wanted) return { step: one, seen, wanted }
  }
  const breaches = audit(world.vmm)
  return breaches.length > 0 ? { breaches } : null
}

const programs = fc.array(step, { minLength: 5, maxLength: 60 })

describe("shadow page tables", () => {
  it("translate as the guest's own machine would", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(programs, (steps) => void expect(run(steps)).toBeNull()),
      { numRuns: 150, seed: 1 },
    )
  })

  const caught = (plant: (world: TranslationWorld) => void, planted: Planted = {}): boolean =>
    fc.check(
      fc.property(programs, (steps) => run(steps, plant, planted) === null),
      { numRuns: 150, seed: 1, endOnFailure: true },
    ).failed

  it("are found wrong when an entry outlives its fence", () => {
    expect(caught(({ vm }) => (vm.vcpus[0]!.mmu.fence = () => undefined))).toBe(true)
  })

  it("are found wrong when they are kept without their root", () => {
    const keyOf: Planted["keyOf"] = ({ mode, fetchPrivilege, sum, mxr }) => `${mode} ${fetchPrivilege} ${sum} ${mxr}`
    expect(caught(() => undefined, { keyOf })).toBe(true)
  })

  it("are found wrong when user and supervisor mode share one", () => {
    const keyOf: Planted["keyOf"] = ({ mode, root, sum, mxr }) => `${mode} ${root} ${sum} ${mxr}`
    expect(caught(() => undefined, { keyOf })).toBe(true)
  })

  it("are found wrong when a page of the guest is a frame of another VM", () => {
    const plant = ({ vmm, vm }: TranslationWorld): void => {
      const other = vmm.create({
        image: { entry: 0x8000_0000n, start: "machine", segments: [], symbols: new Map() },
        vcpus: 1,
        memoryBytes: 1 << 20,
        mode: "trap",
      })!
      const own = vm.memory.machinePage.bind(vm.memory)
      // One data page only: tables stay right.
      vm.memory.machinePage = (page) => (page === 0x8_0001n ? other.memory.machinePage(page) : own(page))
    }
    expect(caught(plant)).toBe(true)
  })
})
