import type { ExitMemory, ExitRecord } from "@backplane/trap-vmm/exit-recorder"
import { describe, expect, it } from "vitest"
import { TrapTap } from "./trap-tap.ts"

const EXIT: ExitRecord = {
  ...{ time: 500, instret: 40, cause: 13, pcHigh: 0, pcLow: 0x8000_0000, vaHigh: 1, vaLow: 0x20, class: 0, duration: 7 },
}

class List implements ExitMemory {
  readonly #records: ExitRecord[] = []

  push(record: ExitRecord): void {
    this.#records.push({ ...record })
  }

  last(count: number): readonly ExitRecord[] {
    return this.#records.slice(-count)
  }
}

function slice(tap: TrapTap, vm: string, records: readonly ExitRecord[]): void {
  tap.begin({ vm, vcpu: 0, exits: () => new Map() })
  for (const record of records) tap.push(record)
  tap.end(0)
}

describe("the last exits", () => {
  it("are kept for each VM by itself, whoever ran in between, and read as names and addresses", () => {
    const tap = new TrapTap(() => new List())
    slice(tap, "alpha", [EXIT])
    slice(tap, "beta", [{ ...EXIT, cause: 2 ** 31 + 5, instret: 1 }])
    slice(tap, "alpha", [{ ...EXIT, cause: 65, instret: 41 }])
    expect(tap.last("alpha", 8).map(({ cause, instret }) => [cause, instret])).toEqual([
      ["load-page", 40],
      ["io-load", 41],
    ])
    expect(tap.last("beta", 8)).toEqual([{ cause: "interrupt-5", pc: "0x80000000", va: "0x100000020", instret: 1, time: 500, cycles: 7 }])
  })

  it("name an address to its last bit, also the upper half's", () => {
    const tap = new TrapTap(() => new List())
    slice(tap, "alpha", [{ ...EXIT, pcHigh: 0xffff_ffc0, pcLow: 0x0020_3802 }])
    expect(tap.last("alpha", 1)[0]?.pc).toBe("0xffffffc000203802")
  })

  it("go with their VM, and are none where nobody keeps them", () => {
    const tap = new TrapTap(() => new List())
    slice(tap, "alpha", [EXIT])
    tap.forget("alpha")
    expect(tap.last("alpha", 8)).toEqual([])
    const without = new TrapTap(null)
    slice(without, "alpha", [EXIT])
    expect(without.last("alpha", 8)).toEqual([])
  })
})
