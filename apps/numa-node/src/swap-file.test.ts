/** The swap file of a node's VMs. */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, describe, expect, it } from "vitest"
import { swapFile } from "./swap-file.ts"

const folder = mkdtempSync(join(tmpdir(), "swap-file-"))
const page = (value: number): Uint8Array => new Uint8Array(4096).fill(value)

afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe("a swap file", () => {
  it("gives back what it took, equal pages from one slot, and says when it is full", () => {
    const swap = swapFile({ folder: join(folder, "demo"), name: "node.0.swap", slots: 2 })
    const [one, again, two] = [swap.put(page(1))!, swap.put(page(1))!, swap.put(page(2))!]
    expect([one === again, one === two, swap.put(page(3)), swap.put(page(0))]).toEqual([true, false, null, -1])
    expect([swap.read(one), swap.read(two), swap.read(-1)]).toEqual([page(1), page(2), page(0)])
    expect([readdirSync(join(folder, "demo")), statSync(join(folder, "demo", "node.0.swap")).size]).toEqual([["node.0.swap"], 2 * 4096])
    swap.release(one)
    expect(swap.put(page(3))).toBe(null)
    swap.release(again)
    expect([swap.put(page(3)) !== null, swap.read(two)]).toEqual([true, page(2)])
  })

  it("begins empty in each life of its node, and needs no folder", () => {
    for (let life = 0; life < 2; life++) {
      const swap = swapFile({ folder, name: "node.1.swap", slots: 1 })
      expect(statSync(join(folder, "node.1.swap")).size).toBe(0)
      swap.put(page(7))
    }
    const swap = swapFile({ folder: null, name: "node.1.swap", slots: 1 })
    expect(swap.read(swap.put(page(9))!)).toEqual(page(9))
  })
})
