/** `backplane kv status | verify | repair | shards`: the replicas themselves, asked over the bus one by one. */
import type { Json } from "@backplane/foundation-base/json"
import type { Command } from "commander"
import { passThrough } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { count } from "./number-flags.ts"
import { onRunningStack } from "./running-stack.ts"
import { storeOf } from "./store-client.ts"

const WAIT_MILLISECONDS = 60_000
const POLL_MILLISECONDS = 250

interface Placement {
  readonly epoch: number
  /** Of messages and of what is kept: every member speaks it. */
  readonly version: number
  readonly members: readonly { readonly id: string; readonly zone: string }[]
  readonly moving: number
  readonly copies: number
  readonly holders: readonly (readonly string[])[]
}

const REGISTERS_COME = "they come when most of the old holders have theirs, or all answer; start those that are down"

export interface ReplicaState {
  readonly shard: string
  readonly keys: number
  readonly hints: number
  readonly unsure: number
  readonly moving: number
  readonly epoch: number
  readonly reads: number
  readonly apart: number
  readonly certified?: number
  readonly keysCopied: number
  /** Partitions that come to it, of which only the linear registers are waited for; absent: its program does not tell. */
  readonly awaitsRegisters?: number
  /** The version that its program speaks; the store's rises when all speak it. */
  readonly speaks: number
  readonly roots: readonly (string | null)[]
}

export function registerStoreCare(kv: Command): void {
  const json = (command: Command): Command => command.option("--json", "print JSON")
  json(kv.command("status").description("members, placement, and what each replica knows of itself")).action(
    async (flags: { json?: true }, command: Command) => {
      const { placement, replicas } = await look(command)
      if (flags.json === true)
        return console.log(JSON.stringify({ ...placement, replicas: replicas.map(({ roots: _roots, ...rest }) => rest) }))
      console.log(
        `version ${placement.version}, epoch ${placement.epoch}, ${placement.members.length} members, ${placement.moving} partitions moving`,
      )
      for (const { id, zone } of placement.members) {
        const state = replicas.find(({ shard }) => shard === id)
        if (state === undefined)
          console.log(
            `  ${id.padEnd(12)} ${zone.padEnd(8)} does not answer: see \`backplane ps\`, and what it says in \`npx nx run stack:logs ${processOf(id)}\``,
          )
        else {
          const { awaitsRegisters: awaited = 0 } = state
          const waits = awaited === 0 ? "" : `, waits for the registers of ${awaited} partitions: ${REGISTERS_COME}`
          console.log(
            `  ${id.padEnd(12)} ${zone.padEnd(8)} speaks ${state.speaks}, ${state.keys} keys, ${state.hints} hints, ${state.unsure} unsure, ${state.apart} of ${state.reads} reads found replicas apart${waits}`,
          )
        }
      }
    },
  )
  json(
    kv.command("verify").description("compare the Merkle roots of all holders, partition by partition; ends with 1 where some differ"),
  ).action(async (flags: { json?: true }, command: Command) => {
    const found = apartIn(await look(command))
    report(found, flags.json === true)
  })
  json(kv.command("repair").description("wait until all holders of all partitions are equal: anti-entropy does it, this watches")).action(
    async (flags: { json?: true }, command: Command) => {
      const deadline = Date.now() + WAIT_MILLISECONDS
      let found = apartIn(await look(command))
      const before = found.apart.length
      while (found.apart.length + found.silent.length > 0 && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
        found = apartIn(await look(command))
      }
      if (flags.json !== true && before > 0) console.log(`${before} partitions were apart`)
      report({ ...found, before }, flags.json === true)
    },
  )
  registerShards(kv)
  registerMapReduce(kv)
  kv.command("bench")
    .description("measure the store against etcd, NATS JetStream KV and Redis, where they are installed")
    .option("--rounds <n>", "rounds to take the median of", "3")
    .option("--json", "print JSON")
    .action(async (flags: { rounds: string; json?: true }) => {
      process.exitCode = await passThrough("tools/bench/src/main.ts", [
        "kv",
        "--rounds",
        flags.rounds,
        ...(flags.json === true ? ["--json"] : []),
      ])
    })
}

function registerMapReduce(kv: Command): void {
  kv.command("mapreduce")
    .description("map and reduce where the data lies; the answer says what it covers")
    .argument("<bucket>")
    .requiredOption("--map <function>", "(key, values) => …, or count, bytes, number")
    .requiredOption("--reduce <function>", "(a, b) => …, or sum, max, min")
    .option("--prefix <text>", "keys that begin so", "")
    .option("--milliseconds <n>", "for a partition", count, 5000)
    .option("--megabytes <n>", "for a worker", count, 64)
    .option("--json", "print JSON")
    .action(async (bucket: string, flags: MapReduceFlags, command: Command) => {
      const { map, reduce, prefix, milliseconds, megabytes } = flags
      const body = JSON.stringify({ map, reduce, prefix, milliseconds, megabytes })
      const path = `/v1/mapreduce/${encodeURIComponent(bucket)}`
      const answer = await storeOf(command).json<{ result: Json; keys: number; coverage: { missing: number[] } }>(path, {
        method: "POST",
        body,
      })
      if (flags.json === true) return console.log(JSON.stringify(answer))
      const { missing } = answer.coverage
      console.log(JSON.stringify(answer.result))
      console.error(`${answer.keys} keys${missing.length === 0 ? ", all partitions" : `, not covered: ${missing.join(" ")}`}`)
    })
}

interface MapReduceFlags {
  readonly map: string
  readonly reduce: string
  readonly prefix: string
  readonly milliseconds: number
  readonly megabytes: number
  readonly json?: true
}

function registerShards(kv: Command): void {
  const shards = kv.command("shards").description("members of the store: partitions move while reads and writes go on")
  const change = (name: "add" | "remove", meaning: string): void => {
    const command = shards.command(name).description(meaning).argument("<replica>", "as replica.3, hosted by the process kv-shard-3")
    if (name === "add") command.option("--zone <name>", "its availability zone", "zone-0")
    command.option("--json", "print JSON").action(async (replica: string, flags: { zone?: string; json?: true }, command: Command) => {
      if (!/^replica\.\d+$/.test(replica))
        throw new CommandFailure("bad-input", `replica: ${replica} is none; give one such as replica.3, which the process kv-shard-3 hosts`)
      const store = storeOf(command)
      const before = await store.json<Placement>("/v1/store")
      const isMember = before.members.some(({ id }) => id === replica)
      if (isMember === (name === "add"))
        throw new CommandFailure("bad-input", `${replica} is ${isMember ? "a member already" : "no member"}: see \`backplane kv status\``)
      const others = before.members.filter(({ id }) => id !== replica)
      const members = name === "add" ? [...others, { id: replica, zone: flags.zone ?? "zone-0" }] : others
      const process = processOf(replica)
      if (name === "add") await onRunningStack(command, (client) => client.power(process, "on"))
      const { replicas: earlier } = await look(command)
      const started = Date.now()
      const { copies } = await store.json<Placement>("/v1/store/members", { method: "PUT", body: JSON.stringify({ members }) })
      const after = await moved(command)
      if (name === "remove") await onRunningStack(command, (client) => client.power(process, "off"))
      const seconds = (Date.now() - started) / 1000
      const { replicas } = await look(command)
      const keys = keysCopiedSince(earlier, replicas)
      const total = replicas.reduce((sum, state) => sum + state.keys, 0)
      if (flags.json === true)
        return console.log(
          JSON.stringify({ replica, members: after.members, partitions_copied: copies, keys_copied: keys, keys_held: total, seconds }),
        )
      console.log(`${after.members.length} members; ${copies} copies of partitions moved in ${seconds.toFixed(1)} s`)
    })
  }
  change("add", "start a shard, and let it hold its share")
  change("remove", "move everything off a shard, and let it go")
}

/** Each replica counts since it began: who began again meanwhile, or was not there before, began at 0. */
export function keysCopiedSince(earlier: readonly Copying[], now: readonly Copying[]): number {
  const before = new Map(earlier.map(({ shard, keysCopied }) => [shard, keysCopied]))
  return now.reduce((sum, { shard, keysCopied }) => {
    const known = before.get(shard) ?? 0
    return sum + (keysCopied >= known ? keysCopied - known : keysCopied)
  }, 0)
}

type Copying = Pick<ReplicaState, "shard" | "keysCopied">

function processOf(replica: string): string {
  return `kv-shard-${replica.slice("replica.".length)}`
}

async function moved(command: Command): Promise<Placement> {
  const deadline = Date.now() + WAIT_MILLISECONDS
  for (;;) {
    const now = await storeOf(command).json<Placement>("/v1/store")
    if (now.moving === 0) return now
    if (Date.now() > deadline)
      throw new CommandFailure(
        "stalled",
        `${now.moving} partitions still move after ${WAIT_MILLISECONDS / 1000} s: see \`backplane kv status\``,
      )
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
}

interface Look {
  readonly placement: Placement
  readonly replicas: readonly ReplicaState[]
}

async function look(command: Command): Promise<Look> {
  const placement = await storeOf(command).json<Placement>("/v1/store")
  return await onRunningStack(command, async (client) => {
    const ask = async (id: string): Promise<ReplicaState | null> => {
      try {
        return (await client.inspectAt(processOf(id), "store", id)) as unknown as ReplicaState | null
      } catch {
        return null
      }
    }
    const states = await Promise.all(placement.members.map(({ id }) => ask(id)))
    return { placement, replicas: states.filter((state) => state !== null) }
  })
}

interface Found {
  readonly partitions: number
  readonly apart: readonly number[]
  /** Partitions of which some holder did not answer. */
  readonly silent: readonly number[]
  readonly before?: number
}

function apartIn({ placement, replicas }: Look): Found {
  const rootsOf = (partition: number): (string | null | undefined)[] =>
    (placement.holders[partition] ?? []).map((holder) => replicas.find(({ shard }) => shard === holder)?.roots[partition])
  const partitions = placement.holders.map((_, partition) => partition)
  const silent = partitions.filter((partition) => rootsOf(partition).some((root) => root === undefined || root === null))
  const apart = partitions.filter((partition) => !silent.includes(partition) && new Set(rootsOf(partition)).size > 1)
  return { partitions: partitions.length, apart, silent }
}

function report(found: Found, asJson: boolean): void {
  const equal = found.partitions - found.apart.length - found.silent.length
  if (asJson) console.log(JSON.stringify({ ...found, equal } satisfies Record<string, Json | undefined>))
  else {
    console.log(`${equal} of ${found.partitions} partitions are equal on all their holders`)
    if (found.apart.length > 0) console.log(`apart: ${found.apart.join(" ")}`)
    if (found.silent.length > 0) console.log(`a holder does not answer: ${found.silent.join(" ")}`)
  }
  if (equal < found.partitions) process.exitCode = 1
}
