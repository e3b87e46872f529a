/** One shard more: which of a store's partitions move, and that every old majority meets every new one. */
import { actorId } from "@backplane/foundation-actor/actor-id"
import { partitionMap, type Member, type PartitionMap } from "@backplane/kv-replication/partition-map"
import type { Lesson } from "../lesson.ts"

const MEMBERS = 5

export const aShardMore: Lesson = {
  name: "a-shard-more",
  title: "A store gets one process more. What moves?",
  chapter: "Dynamo 4.2 and 6.2; Karger and others, “Consistent hashing”",
  minutes: 5,
  text: [
    `The keys of a store are cut into a fixed number of partitions, each held by three of its ${MEMBERS} processes. One process joins, under load.`,
    "Had each key's place been its hash modulo the number of processes, a new number would have given nearly every key another place.",
  ],
  question: `Which part of all replicas moves when a ${MEMBERS + 1}th process joins?`,
  choices: ["nearly all", `about a ${MEMBERS + 1}th: just what the newcomer holds`, "none until the next restart"],
  run() {
    const before = partitionMap(members(MEMBERS))
    const after = partitionMap(members(MEMBERS + 1), before)
    const replicas = before.holders.reduce((sum, holders) => sum + holders.length, 0)
    const moved = count(before, after, (old, now) => now.filter((id) => !old.includes(id)).length)
    const stranger = count(before, after, (old, now) => (old.filter((id) => now.includes(id)).length < 2 ? 1 : 0))
    const share = moved / replicas
    const modulo = 1 - 1 / (MEMBERS + 1)
    return Promise.resolve({
      answer: share > 0.7 ? 0 : share > 0 ? 1 : 2,
      table: {
        head: ["", "replicas", "share"],
        rows: [
          ["of all partitions together", String(replicas), "100.0 %"],
          ["that moved", String(moved), percent(share)],
          ["that the newcomer holds", String(held(after, MEMBERS)), percent(held(after, MEMBERS) / replicas)],
          ["that would move if places were a hash modulo the processes", "", percent(modulo)],
        ],
      },
      explanation: [
        "Whoever holds a partition keeps it if the load allows. The newcomer gets single replicas from those that hold the most, and nothing else moves.",
        "Of each partition at most one replica changes its place at a time. So any two of the old three and any two of the new three have one in common: reads and writes go on, and none misses what the other has done.",
        "On the running store: npx backplane kv status, npx nx run stack:up --shards 4.",
      ],
      claims: [
        {
          text: "no more moves than the newcomer takes",
          measured: `${moved} moved, it holds ${held(after, MEMBERS)}`,
          holds: moved === held(after, MEMBERS),
        },
        { text: `at most 1.1 times a ${MEMBERS + 1}th moves`, measured: percent(share), holds: share <= 1.1 / (MEMBERS + 1) },
        { text: "every old majority meets every new one", measured: `${stranger} partitions where it would not`, holds: stranger === 0 },
        {
          text: "the load is even, give or take one",
          measured: loads(after).join(" "),
          holds: Math.max(...loads(after)) - Math.min(...loads(after)) <= 1,
        },
      ],
      picture: null,
      trace: null,
    })
  },
}

function members(size: number): readonly Member[] {
  return Array.from({ length: size }, (_, index) => ({ id: actorId(`kv-shard.${index}`), zone: `zone-${index % 3}` }))
}

type Holders = PartitionMap["holders"][number]

function count(before: PartitionMap, after: PartitionMap, each: (old: Holders, now: Holders) => number): number {
  return after.holders.reduce((sum, now, partition) => sum + each(before.holders[partition] ?? [], now), 0)
}

function held(map: PartitionMap, member: number): number {
  return map.holders.filter((holders) => holders.includes(actorId(`kv-shard.${member}`))).length
}

function loads(map: PartitionMap): readonly number[] {
  return map.members.map((_, index) => held(map, index))
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
