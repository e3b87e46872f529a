/** What cannot be a question is not asked: the hypervisor would not answer it, and the person wait for that. */
import { describe, expect, it } from "vitest"
import { VmClient } from "./vm-client.ts"
import type { StackClient } from "./stack-client.ts"

type Callback = (error: null, message: { readonly json: () => unknown }) => void

/** A hypervisor that refuses everything, or says only that it has begun, and what it was asked. */
function client(said: "refused" | "begun" = "refused") {
  const asked: unknown[] = []
  let answer: Callback = () => undefined
  const connection = {
    subscribe(_subject: string, { callback }: { readonly callback: Callback }) {
      answer = callback
      return { unsubscribe: () => undefined }
    },
    publish(_subject: string, text: string) {
      const question = JSON.parse(text) as { readonly request: string }
      asked.push(question)
      setImmediate(() =>
        answer(null, { json: () => ({ request: question.request, answer: said, reason: said === "refused" ? "not now" : "", vms: [] }) }),
      )
    },
  }
  const machineNames = (): Promise<readonly string[]> => Promise.resolve(["demo"])
  return { asked, vms: new VmClient({ connection, machineNames } as unknown as StackClient, "demo") }
}

describe("questions about VMs", () => {
  it("name what is wrong with them at once", async () => {
    const { asked, vms } = client()
    await expect(vms.trace("alpha", 10_001)).rejects.toThrow("n: 10001 traps are too many; give 1 to 10000")
    for (const name of ["", "a".repeat(33)]) {
      await expect(vms.control(name, "pause")).rejects.toThrow(`demo has no VM "${name}"; `)
      await expect(vms.trace(name, 3)).rejects.toThrow("demo has no VM")
    }
    expect(asked).toEqual([])
  })

  it("may be answered with no VM at all: one that never ran is gone as soon as it is destroyed", async () => {
    await expect(client("begun").vms.control("idle", "destroy")).resolves.toBeNull()
  })

  it("are not asked of a machine that there is not", async () => {
    const machineNames = (): Promise<readonly string[]> => Promise.resolve(["demo", "other"])
    const nobody = new VmClient({ machineNames } as unknown as StackClient, "nosuch")
    await expect(nobody.control("alpha", "pause")).rejects.toThrow("--machine: there is no machine nosuch; there is demo, other")
  })

  it("are asked where they may be", async () => {
    const { asked, vms } = client()
    await expect(vms.control("alpha", "pause")).rejects.toThrow("not now")
    expect(asked).toEqual([expect.objectContaining({ kind: "VmControlAsk", vm: "alpha", operation: "pause" })])
  })
})
