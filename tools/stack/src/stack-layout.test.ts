/** What is checked before a stack takes anything. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { parseInvocation } from "./options.ts"
import { checkUp } from "./stack-layout.ts"

const SCENARIOS = join(import.meta.dirname, "../../../apps/hypervisor/scenarios")
const check = (scenario: string) => checkUp(parseInvocation(["up", "--scenario", scenario]).up)

describe("before a stack starts", () => {
  it("the programs of its services are there, whatever Node is told before their name", async () => {
    const { plans } = await check("none")
    expect(plans.find(({ name }) => name === "kv-shard-0")?.command.filter((word) => word.startsWith("--"))).not.toEqual([])
  })

  it.each(["default", "vms", "guests", "restartable-jobs"])("takes a scenario with the files that it names: %s", async (name) => {
    expect((await check(join(SCENARIOS, `${name}.yaml`))).plans.length).toBeGreaterThan(0)
  })

  it("names the field of a kernel or guest that is not there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "backplane-layout-"))
    try {
      const file = join(folder, "lost.yaml")
      for (const [text, field] of [
        ["vms: [{ name: a, kernel: nowhere.bin }]", "vms[0].kernel"],
        ["jobs: [{ name: a, guest: { file: nowhere.elf } }]", "jobs[0].guest.file"],
      ] as const) {
        writeFileSync(file, text)
        await expect(check(file)).rejects.toThrow(`--scenario ${file}: ${field}: nowhere`)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
