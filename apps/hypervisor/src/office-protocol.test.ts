/** The catalogue's schema of requests about machines agrees with the parser, on right values and on every wrong neighbour of each. */
import { OfficeRequest } from "@backplane/catalogue/office-schemas"
import { mutationsOf } from "@backplane/catalogue/testing/mutations"
import type { Json } from "@backplane/foundation-base/json"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { Value } from "typebox/value"
import { describe, expect, it } from "vitest"
import { parseOfficeRequest } from "./office-protocol.ts"

const REQUESTS: readonly Json[] = [
  { op: "list" },
  { op: "destroy", machine: "demo" },
  { op: "inspect", machine: "demo", actor: "node.0" },
  { op: "image", hash: "0123456789abcdef".repeat(4), total: 4, offset: 0, data: "AAECAw==" },
  { op: "create", spec: resolveMachineSpec({}) as unknown as Json },
]

function parsed(value: Json): boolean {
  try {
    parseOfficeRequest(JSON.stringify(value))
    return true
  } catch {
    return false
  }
}

describe("requests about machines", () => {
  it.each(REQUESTS.map((value) => [JSON.stringify(value).slice(0, 60), value] as const))("%s", (_, value) => {
    expect(parsed(value)).toBe(true)
    expect(Value.Check(OfficeRequest, value)).toBe(true)
    for (const { what, value: wrong } of mutationsOf(value)) {
      // The parser also looks at several fields together: what it refuses beyond the schema, it refuses by name.
      if (Value.Check(OfficeRequest, wrong)) continue
      expect([what, parsed(wrong)]).toEqual([what, false])
    }
  })

  it("are refused with the field where they are no request", () => {
    expect(() => parseOfficeRequest("{")).toThrow("a request is JSON")
    expect(() => parseOfficeRequest('{"op":"lost"}')).toThrow("op: one of create, destroy, list, inspect, image")
    expect(() => parseOfficeRequest('{"op":"inspect","machine":"demo","actor":"x"}')).toThrow("actor: an actor's name")
  })
})
