/** From the table of services to processes: levels, instances, replacement, co-location. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { levelsOf, planProcesses } from "./process-plan.ts"
import { SERVICES, type ServiceDeclaration } from "./service-manifest.ts"
import { ROOT } from "./stack-layout.ts"

const NOTHING = { colocate: false, replacements: [], counts: new Map<string, number>() }

function service(name: string, dependsOn: readonly string[] = [], count = 1): ServiceDeclaration {
  return {
    name,
    count,
    dependsOn,
    command: ["node", `${name}.ts`],
    readiness: { kind: "bus" },
    stopsLast: false,
    grows: false,
    startModule: `${name}.app.ts`,
  }
}

describe("levels", () => {
  it("are one more than the highest of what is depended on", () => {
    expect([...levelsOf([service("c", ["b"]), service("b", ["a", "nats-server"]), service("a")])]).toEqual([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ])
  })
  it("refuse a circle and an unknown name", () => {
    expect(() => levelsOf([service("a", ["b"]), service("b", ["a"])])).toThrow("a → b → a")
    expect(() => levelsOf([service("a", ["x"])])).toThrow('"x", which is not in the table')
  })
})

describe("processes", () => {
  it("are numbered from 0, also a single one", () => {
    const plans = planProcesses([service("a", [], 2), service("b")], { ...NOTHING, counts: new Map([["a", 3]]) })
    expect(plans.map((plan) => plan.name)).toEqual(["a-0", "a-1", "a-2", "b-0"])
  })
  it("of a replaced service run the given command in a shell", () => {
    const plans = planProcesses([service("a"), service("b")], { ...NOTHING, replacements: [{ service: "b", command: "python3 b.py" }] })
    expect(plans.map(({ command, shell }) => ({ command, shell }))).toEqual([
      { command: ["node", "a.ts"], shell: false },
      { command: ["python3 b.py"], shell: true },
    ])
  })
  it("are one for all co-located services; a replaced one stays apart and waits as before", () => {
    const services = [service("a", [], 2), service("b", ["a"]), service("c", ["a"])]
    const plans = planProcesses(services, { ...NOTHING, colocate: true, replacements: [{ service: "c", command: "c" }] })
    expect(plans.map(({ name, level, hosted }) => [name, level, hosted.map((each) => each.instance)])).toEqual([
      ["colocated-0", 1, ["a-0", "a-1", "b-0"]],
      ["c-0", 2, ["c-0"]],
    ])
  })
  it("refuse an unknown service by naming the known ones", () => {
    expect(() => planProcesses([service("a")], { ...NOTHING, replacements: [{ service: "x", command: "y" }] })).toThrow("there are a")
  })
})

describe("the built-in table", () => {
  it("has no circle and starts the hypervisor last", () => {
    const levels = levelsOf(SERVICES)
    expect(levels.get("hypervisor")).toBe(Math.max(...levels.values()))
  })
  it("names a folder of apps for each service", () => {
    expect(SERVICES.map(({ name }) => name).filter((name) => !existsSync(join(ROOT, "apps", name, "package.json")))).toEqual([])
  })
})
