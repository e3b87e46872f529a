/** What people watch of a replica: told with each round of certificates, and to whoever inspects. */
import type { Json } from "@backplane/foundation-base/json"
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { holdersIn } from "@backplane/kv-replication/placement"
import type { ReplicaCore } from "./core.ts"

/** `certified`: seconds since the oldest certificate of the partitions that it leads; absent while one of them has none. */
export function healthOf(core: ReplicaCore): Attributes {
  const own = Array.from({ length: PARTITIONS }, (_, partition) => partition).filter((each) => holdersIn(core.config, each)[0] === core.id)
  const times = own.map((partition) => core.table.certifiedAt(partition))
  const oldest = times.reduce((least, at) => (at === null || least === null ? null : Math.min(least, at)), core.now as number | null)
  return {
    shard: core.id,
    keys: core.table.size,
    hints: core.shelf.count,
    unsure: core.unsure.size,
    moving: Object.keys(core.config.next).length,
    apart: core.reads.apart,
    reads: core.reads.count,
    epoch: core.config.epoch,
    ...(oldest === null ? {} : { certified: (core.now - oldest) / 1_000_000 }),
  }
}

/**
 * The same with members and the roots of the trees. `keysCopied`: since it began. `awaitsRegisters`: partitions that come, of which only the linear registers
 * are waited for.
 */
export function inspected(core: ReplicaCore, moves: { readonly keysCopied: number; readonly awaitsRegisters: number }): Json {
  const { table, config } = core
  const roots = Array.from({ length: PARTITIONS }, (_, partition) => (core.keeps(partition) ? table.tree(partition).root() : null))
  return {
    ...healthOf(core),
    members: config.members.map(({ id, zone }) => ({ id, zone })),
    roots,
    speaks: core.versions.own,
    ...moves,
  }
}
