import { describe, expect, it } from "vitest"
import { firstMembers, storeSizeOf } from "./first-store.ts"

describe("the store as it begins", () => {
  it("has three members in one zone, unless somebody says otherwise", () => {
    expect(storeSizeOf({})).toEqual({ shards: 3, zones: 1 })
    expect(storeSizeOf({ BACKPLANE_KV_SHARDS: "", BACKPLANE_KV_ZONES: "" })).toEqual({ shards: 3, zones: 1 })
    expect(storeSizeOf({ BACKPLANE_KV_SHARDS: "5", BACKPLANE_KV_ZONES: "2" })).toEqual({ shards: 5, zones: 2 })
  })

  it("deals the zones in turn", () => {
    expect(firstMembers({ shards: 3, zones: 2 })).toEqual([
      { id: "replica.0", zone: "zone-0" },
      { id: "replica.1", zone: "zone-1" },
      { id: "replica.2", zone: "zone-0" },
    ])
  })

  it("may be none: then one is asked that does not answer", () => {
    expect(storeSizeOf({ BACKPLANE_KV_SHARDS: "0" })).toEqual({ shards: 0, zones: 1 })
    expect(firstMembers({ shards: 0, zones: 1 })).toEqual([{ id: "replica.0", zone: "zone-0" }])
  })

  it.each(["many", "-1", "1.5", "65"])("cannot have %s of either, and says which variable is wrong", (text) => {
    const remedy = (least: number): string => `is "${text}": give a whole number from ${least} to 64`
    expect(storeSizeOf({ BACKPLANE_KV_SHARDS: text })).toEqual({ field: "BACKPLANE_KV_SHARDS", remedy: remedy(0) })
    expect(storeSizeOf({ BACKPLANE_KV_ZONES: text })).toEqual({ field: "BACKPLANE_KV_ZONES", remedy: remedy(1) })
  })
})
