/** The catalogue is what the contracts say, for people and for tools. */
import { readdirSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { SERVICE_RULES } from "@backplane/nats/permissions"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { Ajv } from "ajv"
import { Type } from "typebox"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { asyncapi, danglingReferences } from "./asyncapi.ts"
import { actorMessages, entry } from "./catalogue.ts"
import { catalogueFiles, ROOT } from "./catalogue-files.ts"
import { directionOf, KINDS } from "./direction.ts"
import { fieldRows } from "./schema-text.ts"

describe("the committed catalogue", () => {
  it.each([...catalogueFiles()])("%s is what the contracts generate; else run `npx nx run catalogue:generate`", (name, text) => {
    expect(readFileSync(join(ROOT, name), "utf8")).toBe(text)
  })

  it("is generated the same every time", () => {
    expect(catalogueFiles()).toEqual(catalogueFiles())
  })

  it("names every message once", () => {
    const kinds = actorMessages().map(({ kind }) => kind)
    expect(new Set(kinds).size).toBe(kinds.length)
    expect(kinds).toContain("SchedulerCommit")
    expect(kinds).toContain("LockstepGrant")
  })

  it("refuses a message whose description does not say who tells whom", () => {
    const said = (description: string): (() => unknown) => {
      const schema = Type.Object({ kind: Type.Literal("X") }, { description })
      return () => entry("X", "compute", schema)
    }
    expect(said("node → scheduler: it is so")).not.toThrow()
    expect(said("it is so")).toThrow(/^X: .*who tells whom/)
    expect(said("node → printer: it is so")).toThrow(/the kinds are hypervisor, node/)
    expect(said("node → scheduler")).toThrow(/who tells whom/)
  })

  it("names only directions that the bus permits", () => {
    const permitted = (from: string, to: string): boolean =>
      from.startsWith("port-") || to.startsWith("port-")
        ? true // clock and ports: foundation/runtime's own rules, tried on a real server there
        : SERVICE_RULES.some(({ hosts, talksTo }) => hosts.includes(from) && talksTo.includes(to))
    const wrong = actorMessages().filter(({ from, to }) => !permitted(KINDS[from.kind], KINDS[to.kind]))
    expect(wrong.map(({ kind }) => kind)).toEqual([])
    expect(permitted("memory", "scheduler")).toBe(false)
  })
})

describe("directions", () => {
  it("carry the part that each side plays", () => {
    expect(directionOf("scheduler (thief) → scheduler (victim): give: now")).toEqual({
      from: { kind: "scheduler", role: "thief" },
      to: { kind: "scheduler", role: "victim" },
      says: "give: now",
    })
    expect(directionOf("memory controller → node: yours")?.from).toEqual({ kind: "memory controller", role: null })
  })
})

describe("fields as words", () => {
  it("tell the fields of an object once", () => {
    const at = Type.Object({ x: Type.Integer(), kind: Type.Literal("point") })
    const rows = fieldRows(Type.Object({ kind: Type.Literal("X"), from: at, to: at }))
    expect(rows.map(({ path, type }) => [path, type])).toEqual([
      ["from", "object"],
      ["from.x", "whole number"],
      ["to", "object, as `from`"],
    ])
  })

  it("show limits, lists, variants and what may be missing", () => {
    const schema = Type.Object({
      kind: Type.Literal("X"),
      count: Type.Integer({ minimum: 0, maximum: 63, description: "how many" }),
      name: Type.Optional(Type.String({ maxLength: 64 })),
      list: Type.Array(
        Type.Union([
          Type.Object({ type: Type.Literal("RUN"), cpu: Type.Integer({ minimum: 0 }) }),
          Type.Object({ type: Type.Literal("SYNC") }),
        ]),
        { maxItems: 9 },
      ),
    })
    expect(fieldRows(schema).map(({ path, type, description }) => [path, type, description])).toEqual([
      ["count", "whole number, 0 to 63", "how many"],
      ["name", "may be missing; text, at most 64", ""],
      ["list", "list (at most 9) of: RUN or SYNC", ""],
      ["list[](RUN).cpu", "whole number, at least 0", ""],
    ])
  })
})

describe("scenario.schema.json", () => {
  const isScenario = new Ajv({ strict: false }).compile(
    JSON.parse(catalogueFiles().get("libs/scenario/machine/scenario.schema.json") ?? "") as object,
  )
  const folder = join(ROOT, "apps/hypervisor/scenarios")

  it.each(readdirSync(folder))("accepts %s", (name) => {
    expect(isScenario(parse(readFileSync(join(folder, name), "utf8")))).toBe(true)
  })

  it("refuses what the loader refuses", () => {
    for (const wrong of [{ topolgy: {} }, { topology: { cpus: 0 } }, { schedule: { policy: "best" } }, { jobs: [{ run: 1 }] }]) {
      expect([wrong, isScenario(wrong)]).toEqual([wrong, false])
      expect(() => resolveMachineSpec(wrong)).toThrow()
    }
  })

  it("has a documented default for every field that has one", () => {
    const text = catalogueFiles().get("libs/scenario/machine/SCENARIO.md") ?? ""
    expect(text).toContain("| `topology.cpus` | whole number, 1 to 256 | `2` | CPUs in all")
    expect(text).toContain("| `schedule.policy` |")
  })
})

describe("asyncapi.json", () => {
  const official = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0.json") as object
  // The official schema brings its own copy of the meta schema.
  const isAsyncApi = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false }).compile(official)
  const document = (): Record<string, unknown> =>
    JSON.parse(catalogueFiles().get("libs/scenario/codec/asyncapi.json") ?? "") as Record<string, unknown>
  const accepted = (candidate: unknown): boolean => isAsyncApi(candidate) && danglingReferences(candidate).length === 0

  it("is an AsyncAPI 3.0 document by the official schema, and every reference in it leads somewhere", () => {
    const parsed = document()
    expect(isAsyncApi(parsed), JSON.stringify(isAsyncApi.errors?.slice(0, 3))).toBe(true)
    expect(danglingReferences(parsed)).toEqual([])
  })

  it.each<[string, (broken: Record<string, unknown>) => void]>([
    ["without a version", (broken) => delete broken["asyncapi"]],
    ["without info", (broken) => delete broken["info"]],
    ["an info without a title", (broken) => (broken["info"] = { version: "1" })],
    ["a server without a protocol", (broken) => (broken["servers"] = { here: { host: "127.0.0.1" } })],
    ["an operation without an action", (broken) => (broken["operations"] = { x: { channel: { $ref: "#/channels/node-to-scheduler" } } })],
    [
      "an operation on a channel that there is not",
      (broken) => (broken["operations"] = { x: { action: "send", channel: { $ref: "#/channels/nowhere" } } }),
    ],
    [
      "a message whose schema is missing",
      (broken) => delete (broken["components"] as { schemas: Record<string, unknown> }).schemas["SchedulerCommit"],
    ],
  ])("is refused %s", (_, breakIt) => {
    const broken = document()
    breakIt(broken)
    expect(accepted(broken)).toBe(false)
  })

  it("has a channel for each pair that talks and an operation for each service on it", () => {
    const { channels, operations } = asyncapi() as Record<string, Record<string, { address?: string; action?: string }>>
    expect(channels?.["node-to-scheduler"]?.address).toBe("bp.{machine}.scheduler.{toIndex}.node.{fromIndex}")
    expect(channels?.["port-to-port"]?.address).toBe("bp.{machine}.port-{toService}.{toIndex}.port-{fromService}.{fromIndex}")
    expect(operations?.["numa-node-sends-node-to-scheduler"]?.action).toBe("send")
    expect(operations?.["cpu-scheduler-receives-node-to-scheduler"]?.action).toBe("receive")
    expect(operations?.["operator-sends-control-machines"]?.action).toBe("send")
  })
})
