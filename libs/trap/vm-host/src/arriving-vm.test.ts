/** What has come of a VM, in whatever order the bus delivers it. */
import { encodeBase64 } from "@backplane/foundation-base/base64"
import type { VmMoveIn, VmPartContent } from "@backplane/trap-contract/vm-move-messages"
import type { Vm } from "@backplane/trap-vmm/vm"
import { describe, expect, it } from "vitest"
import { ArrivingVm, type ArrivingState } from "./arriving-vm.ts"

const pages = (byte: number, ...numbers: readonly number[]): Extract<VmPartContent, { of: "pages" }> => ({
  of: "pages",
  pages: [...numbers],
  data: encodeBase64(new Uint8Array(numbers.length * 4096).fill(byte)),
})

function arriving() {
  const written = new Map<number, number>()
  const memory = { writePage: (page: number, data: Uint8Array) => void written.set(page, data[4095] ?? -1) }
  const vm = new ArrivingVm({ vm: { name: "a" }, life: 9, firstLife: 1, from: 0, fromLife: 1 } as unknown as VmMoveIn, 1)
  vm.isReady = true
  return { vm, written, made: { memory } as unknown as Vm, state: (parts: number) => ({ of: "state", parts }) as unknown as ArrivingState }
}

describe("a VM on its way here", () => {
  it("asks for the first part alone, then for some at a time, and for none beyond the last", () => {
    const { vm, made, state } = arriving()
    expect([vm.asks("next"), vm.asks("again")]).toEqual([[0], [0]])
    expect([vm.wants(0), vm.wants(1)]).toEqual([true, false])
    vm.take({ part: 0, content: pages(1, 5) })
    expect(vm.asks("next")).toEqual([1, 2, 3, 4])
    vm.take({ part: 2, content: pages(1, 6) })
    expect([vm.asks("next"), vm.asks("again")]).toEqual([[5], [1, 3, 4, 5]])
    vm.begin({ part: 3, content: state(5) }, made)
    expect([vm.asks("again"), vm.wants(5), vm.isWhole]).toEqual([[1, 4], false, false])
    vm.take({ part: 4, content: pages(1, 7) })
    vm.take({ part: 1, content: pages(1, 8) })
    expect([vm.isWhole, vm.asks("next"), vm.bytes]).toEqual([true, [], 4 * 4096])
  })

  it("A2: has each page as in the last part that has it, whichever comes first", () => {
    const { vm, written, made, state } = arriving()
    vm.take({ part: 0, content: pages(1, 5, 6, 7) })
    vm.asks("next")
    vm.take({ part: 3, content: pages(4, 5) })
    vm.take({ part: 1, content: pages(2, 5, 6) })
    vm.begin({ part: 4, content: state(7) }, made)
    expect(Object.fromEntries(written)).toEqual({ 5: 4, 6: 2, 7: 1 })
    vm.take({ part: 6, content: pages(9, 6) })
    vm.take({ part: 5, content: pages(8, 6, 7) })
    vm.take({ part: 2, content: pages(3, 5, 6, 7) })
    expect([Object.fromEntries(written), vm.isWhole]).toEqual([{ 5: 4, 6: 9, 7: 8 }, true])
  })
})
