import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import type { StoreConfig, StoreMember } from "@backplane/kv-contract/store-config"
import { partitionMap } from "./partition-map.ts"
import { copiesUnderWay, firstConfig, holdersIn, isQuorum, keepersIn, nextIn, withMembers, withMoved } from "./placement.ts"

const members = (...indexes: readonly number[]): StoreMember[] =>
  indexes.map((index) => ({ id: `replica.${index}`, zone: `zone-${index % 3}` }))
const storeOf = (list: readonly StoreMember[]): StoreConfig =>
  firstConfig(partitionMap(list.map(({ id, zone }) => ({ id: actorId(id), zone }))), [])
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition)

function moving(from: readonly StoreMember[], to: readonly StoreMember[]): StoreConfig {
  const config = withMembers(storeOf(from), to)
  if ("refused" in config) throw new Error(config.refused)
  return config
}

/** All sets of `size` of `ids`. */
function subsets(ids: readonly ActorId[], size: number): ActorId[][] {
  if (size === 0) return [[]]
  return ids.flatMap((id, index) => subsets(ids.slice(index + 1), size - 1).map((rest) => [id, ...rest]))
}

describe("a change of members", () => {
  it("copies at most 1.1 · K / (n + 1) replicas for one who comes, and ends with the members that were wanted", () => {
    for (let count = 3; count <= 8; count++) {
      const before = members(...Array.from({ length: count }, (_, index) => index))
      const after = members(...Array.from({ length: count + 1 }, (_, index) => index))
      const config = moving(before, after)
      expect(copiesUnderWay(config)).toBeLessThanOrEqual((1.1 * PARTITIONS * 3) / (count + 1))
      const done = withMoved(withMoved(config, ALL.slice(0, 40)), ALL)
      expect(done.next).toEqual({})
      expect(done.members).toEqual(after)
      expect(done.epoch).toBe(config.epoch + 2)
    }
  })

  it("keeps who goes among the members until nothing is left with it", () => {
    const config = moving(members(0, 1, 2, 3), members(0, 1, 2))
    expect(config.members.length).toBe(4)
    const half = withMoved(config, ALL.slice(0, 10))
    expect(half.members.length).toBe(4)
    const done = withMoved(half, ALL)
    expect(done.members).toEqual(members(0, 1, 2))
    expect(ALL.every((partition) => !keepersIn(done, partition).includes(actorId("replica.3")))).toBe(true)
  })

  it("is refused while another is under way, and for nobody at all", () => {
    expect(withMembers(moving(members(0, 1, 2), members(0, 1, 2, 3)), members(0, 1, 2))).toMatchObject({
      refused: expect.stringContaining("moved already"),
    })
    expect(withMembers(storeOf(members(0, 1, 2)), [])).toMatchObject({ refused: expect.stringContaining("needs a member") })
  })

  it("P1: two quorums of neighbouring epochs share a replica", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 6 }), fc.boolean(), fc.integer({ min: 0, max: PARTITIONS - 1 }), (count, comes, partition) => {
        const some = members(...Array.from({ length: count }, (_, index) => index))
        const more = members(...Array.from({ length: count + 1 }, (_, index) => index))
        const joint = comes ? moving(some, more) : moving(more, some)
        const done = withMoved(joint, ALL)
        const all = more.map(({ id }) => actorId(id))
        const quorums = (config: StoreConfig): ActorId[][] =>
          [2, 3, 4].flatMap((size) => subsets(all, size)).filter((set) => isQuorum(config, partition, (id) => set.includes(id), 2))
        for (const early of quorums(joint)) for (const late of quorums(done)) expect(early.some((id) => late.includes(id))).toBe(true)
        if (nextIn(joint, partition) !== null) expect(holdersIn(done, partition)).toEqual(nextIn(joint, partition))
      }),
      { numRuns: 60 },
    )
  })
})
