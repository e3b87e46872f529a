import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { EQUAL_EXCHANGE_BYTES_MAX, PARTITIONS, SESSION_KEYS_MAX } from "@backplane/kv-contract/limits"
import type { SessionToken } from "@backplane/kv-contract/versions"
import { NOTHING_KNOWN } from "@backplane/kv-versioning/key-state"
import { CertificateRound } from "./certificate.ts"
import { hashOf, hexOf, partitionOf } from "./hash.ts"
import { HintShelf, type Hint } from "./hint-shelf.ts"
import { differing, leafOf, LEAVES_PER_NODE, MerkleTree } from "./merkle-tree.ts"
import { holdersOf, movesBetween, partitionMap, preferenceList, type Member, type PartitionMap } from "./partition-map.ts"
import { quorumOf, quorumsMeet } from "./quorum.ts"
import { sessionAfter, sessionFloor } from "./session.ts"

const id = (index: number): ActorId => actorId(`kv-shard.${index}`)
const members = (count: number, zones: number): Member[] =>
  Array.from({ length: count }, (_, index) => ({ id: id(index), zone: `zone-${index % zones}` }))

function loadsOf(map: PartitionMap): number[] {
  return map.members.map(({ id: member }) => map.holders.filter((holders) => holders.includes(member)).length)
}

describe("the partition map", () => {
  it("gives each partition three different members, in different zones where there are three, and each member the same load", () => {
    for (let count = 1; count <= 16; count++)
      for (const zones of [1, 3]) {
        const map = partitionMap(members(count, zones))
        const loads = loadsOf(map)
        expect(map.holders.every((holders) => new Set(holders).size === Math.min(3, count))).toBe(true)
        if (zones === 1 || count % 3 === 0) expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
        if (zones === 3 && count >= 3)
          for (const holders of map.holders) expect(new Set(holders.map((holder) => Number(holder.split(".")[1]) % 3)).size).toBe(3)
      }
  })

  it("moves at most 1.1 · K / (n + 1) replicas when a member comes, at most one of a partition, and only to the new one", () => {
    for (let count = 3; count <= 15; count++) {
      const before = partitionMap(members(count, 1))
      const after = partitionMap(members(count + 1, 1), before)
      expect(movesBetween(before, after)).toBeLessThanOrEqual((1.1 * PARTITIONS * 3) / (count + 1))
      expect(after.epoch).toBe(before.epoch + 1)
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const fresh = holdersOf(after, partition).filter((holder) => !holdersOf(before, partition).includes(holder))
        expect(fresh.length === 0 || (fresh.length === 1 && fresh[0] === id(count))).toBe(true)
      }
    }
  })

  it("moves only what the leaver held when a member goes, and stays even", () => {
    for (let count = 4; count <= 12; count++) {
      const before = partitionMap(members(count, 1))
      const held = before.holders.filter((holders) => holders.includes(id(0))).length
      const after = partitionMap(members(count, 1).slice(1), before)
      const loads = loadsOf(after)
      expect(movesBetween(before, after)).toBeLessThanOrEqual(held + 2)
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(2)
    }
  })

  it("lists the holders first and everybody once", () => {
    const map = partitionMap(members(7, 3))
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const list = preferenceList(map, partition)
      expect(list.slice(0, 3)).toEqual(holdersOf(map, partition))
      expect(new Set(list).size).toBe(7)
    }
  })

  it("spreads keys evenly", () => {
    const counts = new Array<number>(PARTITIONS).fill(0)
    for (let key = 0; key < 64_000; key++) counts[partitionOf("bucket", `key-${key}`)]!++
    expect(Math.min(...counts)).toBeGreaterThan(850)
    expect(Math.max(...counts)).toBeLessThan(1150)
  })
})

describe("quorums", () => {
  it("meet by default, and a wish outside the partition is refused by its field", () => {
    for (let n = 1; n <= 7; n++) {
      const quorum = quorumOf(n, {}, {})
      expect("field" in quorum ? false : quorumsMeet(quorum)).toBe(true)
    }
    expect(quorumOf(3, { w: 2 }, { w: 4 })).toMatchObject({ field: "w", remedy: expect.stringContaining("1 to 3") as string })
    expect(quorumOf(3, { r: 3, w: 1 }, { r: 1 })).toEqual({ n: 3, r: 1, w: 1 })
  })
})

describe("the Merkle tree", () => {
  const place = fc.string({ maxLength: 8 })

  it("is a function of what it holds, whatever the order, and differs where that differs", () => {
    fc.assert(
      fc.property(fc.uniqueArray(place, { maxLength: 30 }), place, (places, other) => {
        const forward = new MerkleTree()
        const backward = new MerkleTree()
        for (const each of places) forward.replace(each, null, hashOf(each))
        for (const each of places.toReversed()) backward.replace(each, null, hashOf("old" + each))
        for (const each of places) backward.replace(each, hashOf("old" + each), hashOf(each))
        expect(forward.root()).toBe(backward.root())
        forward.replace(other, places.includes(other) ? hashOf(other) : null, hashOf("new" + other))
        expect(forward.root()).not.toBe(backward.root())
        const nodes = differing(forward.nodes(), backward.nodes())
        expect(nodes).toEqual([Math.floor(leafOf(other) / LEAVES_PER_NODE)])
        expect(differing(forward.leaves(nodes[0] ?? 0), backward.leaves(nodes[0] ?? 0))).toEqual([leafOf(other) % LEAVES_PER_NODE])
      }),
      { numRuns: 200 },
    )
  })

  it("tells by digests which leaves of a node differ, and names all of them where those hide it", () => {
    fc.assert(
      fc.property(fc.uniqueArray(place, { maxLength: 30 }), place, (places, other) => {
        const [mine, theirs] = [new MerkleTree(), new MerkleTree()]
        for (const each of places) for (const tree of [mine, theirs]) tree.replace(each, null, hashOf(each))
        const node = Math.floor(leafOf(other) / LEAVES_PER_NODE)
        const apart = (): readonly number[] => mine.differingBy(node, theirs.nodes()[node] ?? "", theirs.digest(node))
        expect(apart()).toEqual([])
        const before = places.includes(other) ? hashOf(other) : null
        mine.replace(other, before, hashOf("new" + other))
        expect(apart()).toEqual([leafOf(other) % LEAVES_PER_NODE])
        // As one in 2^24 does: another state with the same 24 bits.
        const { high, low } = hashOf("new" + other)
        theirs.replace(other, before, { high: high ^ 1, low: low ^ (1 << 24) })
        expect(apart()).toEqual(Array.from({ length: LEAVES_PER_NODE }, (_, leaf) => leaf))
      }),
      { numRuns: 200 },
    )
  })

  it("costs equal replicas one exchange of at most 4 KiB", () => {
    const roots = Array.from({ length: PARTITIONS }, (_, partition) => [partition, hexOf(hashOf(`${partition}`))])
    const question = { kind: "KvPeer", items: [{ type: "sync-roots", roots, answer: false }] }
    expect(2 * JSON.stringify(question).length).toBeLessThanOrEqual(EQUAL_EXCHANGE_BYTES_MAX)
  })

  it("planted bug: a tree that keeps a stale node hides a difference", () => {
    const mine = new MerkleTree()
    const theirs = new MerkleTree()
    mine.replace("a", null, hashOf("1"))
    const stale = mine.root()
    mine.replace("a", hashOf("1"), hashOf("2"))
    theirs.replace("a", null, hashOf("1"))
    expect(stale).toBe(theirs.root())
    expect(mine.root()).not.toBe(theirs.root())
  })
})

describe("the shelf of hints", () => {
  const hint = (key: string): Hint => ({ target: id(1), bucket: "b", key, state: { ...NOTHING_KNOWN } })

  it("refuses when full, but not for a key that it has", () => {
    const shelf = new HintShelf(2)
    expect([shelf.put(hint("a")), shelf.put(hint("b")), shelf.put(hint("c")), shelf.put(hint("a"))]).toEqual([true, true, false, true])
    expect(shelf.count).toBe(2)
  })

  it("keeps a state that came after the one delivered", () => {
    const shelf = new HintShelf()
    const first = hint("a")
    shelf.put(first)
    shelf.put(hint("a"))
    expect([shelf.delivered(first), shelf.count, shelf.delivered(shelf.next(1)[0] as Hint), shelf.count]).toEqual([false, 1, true, 0])
    expect(shelf.countIn(partitionOf("b", "a"))).toBe(0)
  })
})

describe("session tokens", () => {
  it("know the join of all that was seen of a key, and stay bounded", () => {
    let token: SessionToken = []
    for (let key = 0; key < 200; key++) token = sessionAfter(token, { bucket: "b", key: `k${key}`, context: { w: key + 1 } })
    token = sessionAfter(token, { bucket: "b", key: "k199", context: { x: 5 } })
    expect(token.length).toBe(SESSION_KEYS_MAX)
    expect(sessionFloor(token, "b", "k199")).toEqual({ w: 200, x: 5 })
    expect(sessionFloor(token, "b", "k0")).toEqual({})
  })
})

describe("a convergence certificate", () => {
  const round = (): CertificateRound =>
    new CertificateRound({ round: "1", partition: 0, root: "r", changes: 4, holders: [id(0), id(1), id(2)], asked: [id(1), id(2), id(3)] })
  const fine = { root: "r", hints: 0, unsure: false }

  it("needs an equal answer of every holder and no hint anywhere", () => {
    const open = round()
    open.vote(id(1), fine)
    open.vote(id(2), fine)
    expect(open.outcome(4)).toBe("open")
    open.vote(id(3), { ...fine, root: "empty" })
    expect(open.outcome(4)).toBe("equal")
  })

  it.each([
    ["another root", id(1), { ...fine, root: "s" }, 4],
    ["a hint at a member that holds nothing", id(3), { ...fine, hints: 1 }, 4],
    ["a replica that lost data", id(2), { ...fine, unsure: true }, 4],
    ["a change meanwhile", id(2), fine, 5],
  ])("fails by %s", (_what, from, vote, changes) => {
    const failing = round()
    failing.vote(from, vote)
    expect(failing.outcome(changes)).toBe("failed")
  })
})
