import { describe, expect, it } from "vitest"
import { MODERN } from "./costs.ts"
import { nativeCallTable, nativeMissTable, systemCallTable, SYSTEM_CALL_STEPS, tlbMissTable, TLB_MISS_STEPS } from "./ostep-tables.ts"
import { SystemCalls } from "./system-calls.ts"

/** A call as a small kernel makes it: saves, reads the cause, works, prepares the return. */
const CALL = ["ecall-from-user", "csr", "csr", "satp", "fence", "io-store", "csr", "return"]

function seen(causes: readonly string[], { assisted = [] }: { readonly assisted?: readonly string[] } = {}): SystemCalls {
  const calls = new SystemCalls()
  for (const cause of causes) calls.see({ vcpu: 0, cause, exited: !assisted.includes(cause), user: cause === "return" })
  return calls
}

describe("the ledger of system calls", () => {
  it("puts every exit into its step of table B.3", () => {
    const table = systemCallTable(seen([...CALL, "interrupt-supervisor-timer", "csr", "return", ...CALL]), MODERN)
    expect(table.map(({ step, exits }) => [step, exits])).toEqual([
      [1, null],
      [2, 2],
      [3, 12],
      [4, 2],
      [5, null],
    ])
    // Per call: an exit and an injection; six exits that emulate, one with a flush, the device's; an exit and the return.
    const { exit, inject, emulate, shadowFlush, device } = MODERN
    const inside = 12 * exit + 10 * emulate + 2 * shadowFlush + 2 * device
    expect(table.map(({ cycles }) => cycles)).toEqual([null, 2 * (exit + inject), inside, 2 * (exit + emulate), null])
  })

  it("what steps cost: a miss with virtualization three exits, natively a trap, a return nothing", () => {
    const { exit, inject, emulate, shadowFill, trap } = MODERN
    const totals = { misses: 2, remembered: 0, pageFaults: 0, entered: 2, updated: 2, inside: 0, returned: 2, fewest: 3, most: 3 }
    expect(tlbMissTable(totals, MODERN).map(({ cycles }) => cycles)).toEqual([
      ...[null, 2 * (exit + inject), 0],
      ...[2 * (exit + emulate + shadowFill), null, 2 * (exit + emulate), null],
    ])
    expect(nativeMissTable(3, MODERN).map(({ cycles }) => cycles)).toEqual([3 * trap, 0, null])
    expect(nativeCallTable(3, MODERN).map(({ cycles }) => cycles)).toEqual([3 * trap, 0, null])
  })

  it("in assist leaves only what the VMM must see", () => {
    const calls = seen(CALL, { assisted: ["ecall-from-user", "csr", "return"] })
    expect(calls.totals()).toEqual({ calls: 1, entered: 0, inside: 3, returned: 0, fewest: 3, most: 3 })
    expect([...calls.inside()]).toEqual([["satp", 1], ["fence", 1], ["io-store", 1]]) // prettier-ignore
  })

  it("a return to the kernel itself ends no call, and vCPUs do not mix", () => {
    const calls = new SystemCalls()
    calls.see({ vcpu: 0, cause: "ecall-from-user", exited: true, user: false })
    calls.see({ vcpu: 1, cause: "return", exited: true, user: true })
    calls.see({ vcpu: 0, cause: "return", exited: true, user: false })
    expect(calls.totals().calls).toBe(0)
    calls.see({ vcpu: 0, cause: "return", exited: true, user: true })
    expect(calls.totals()).toEqual({ calls: 1, entered: 1, inside: 1, returned: 1, fewest: 3, most: 3 })
  })

  it("the tables have their numbered steps", () => {
    expect([SYSTEM_CALL_STEPS, TLB_MISS_STEPS].map((steps) => steps.map(({ step }) => step))).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5, 6, 7],
    ])
  })
})
