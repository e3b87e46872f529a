import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { virtualTime } from "@backplane/foundation-actor/virtual-time"
import { recordConversation } from "./conversation.ts"
import { expectScenario } from "./scenario-file.ts"
import { CLIENT, SERVER, ToyClient, ToyServer } from "./testing/toy-pair.ts"
import { World } from "./world.ts"

function toyConversation(increments: number): string {
  const world = new World({ seed: 1 })
  world.add(CLIENT, () => new ToyClient(increments))
  world.add(SERVER, () => new ToyServer())
  const conversation = recordConversation(world)
  world.run()
  return conversation.text("two increments")
}

describe("a golden conversation", () => {
  it("of the toy pair is two messages an increment", () => {
    expectScenario(new URL("../scenarios/two-increments.txt", import.meta.url), toyConversation(2))
  })

  it("shows what was lost, and hides what it is told to", () => {
    const world = new World({ seed: 1 })
    world.add(CLIENT, () => new ToyClient(1))
    world.add(SERVER, () => new ToyServer())
    const all = recordConversation(world)
    const answers = recordConversation(world, { hide: ["Add"] })
    world.partition([[CLIENT], [SERVER]])
    world.at(virtualTime(1000), () => world.healNetwork())
    world.run()
    expect(all.text().split("\n").slice(0, 3)).toEqual([
      "3 messages",
      "0 client.0 → server.0 Add {sequence: 1} (lost)",
      "2000 client.0 → server.0 Add {sequence: 1}",
    ])
    expect(answers.text()).toBe("1 message\n3100 server.0 → client.0 Added {sequence: 1, total: 1}\n")
  })
})

describe("a scenario file", () => {
  let folder = ""
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "scenario-"))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it("is written only on request, and a difference names its line and the remedy", () => {
    const file = pathToFileURL(join(folder, "scenarios", "talk.txt"))
    expect(() => expectScenario(file, "a\nb\n", {})).toThrow(/talk.txt is not there: .*UPDATE_SCENARIOS=1/)
    expectScenario(file, "a\nb\n", { UPDATE_SCENARIOS: "1" })
    expect(readFileSync(file, "utf8")).toBe("a\nb\n")
    expectScenario(file, "a\nb\n", {})
    expect(() => expectScenario(file, "a\nc\n", {})).toThrow(/differs at line 2 \(expected "b", got "c"\)/)
  })
})
