/** `backplane kv …`: keys of the running stack's store, its buckets, its members, its health. */
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { count } from "../number-flags.ts"
import { textOf } from "../standard-input.ts"
import { keyPath, storeOf, type StoreAnswer } from "../store-client.ts"
import { registerStoreCare } from "../store-care.ts"

const AS_JSON = { accept: "application/json" }

interface Flags {
  readonly home?: string
  readonly json?: true
  readonly context?: string
  readonly idempotencyKey?: string
  readonly session?: string
  readonly w?: number
  readonly r?: number
}

export function register(program: Command): void {
  const kv = program.command("kv").description("the replicated key-value store: keys, buckets, shards, their health")
  registerKeys(kv)
  registerLists(kv)
  registerBuckets(kv)
  registerStoreCare(kv)
}

function registerKeys(kv: Command): void {
  withWishes(kv.command("get").description("the value of a key").argument("<bucket>").argument("<key>"), "r").action(
    async (bucket: string, key: string, flags: Flags, command: Command) => {
      const answer = await storeOf(command).ask(keyPath(bucket, key) + query({ r: flags.r }), {
        headers: { ...sessionHeader(flags), ...(flags.json === true ? AS_JSON : {}) },
        accept: [300, ...(flags.json === true ? [404] : [])],
      })
      if (answer.status === 404) process.exitCode = 1 // as without --json
      if (flags.json === true)
        return console.log(JSON.stringify({ ...(JSON.parse(answer.text) as object), etag: answer.headers.get("etag") }))
      sayValue(answer)
    },
  )
  withWrites(
    kv
      .command("put")
      .description("set a key; the value as an argument, or from standard input with -")
      .argument("<bucket>")
      .argument("<key>")
      .argument("<value>"),
  ).action(async (bucket: string, key: string, value: string, flags: Flags, command: Command) => {
    const body = value === "-" ? await textOf(process.stdin) : value
    await write(command, flags, keyPath(bucket, key) + query({ w: flags.w }), { method: "PUT", body })
  })
  withWrites(
    kv
      .command("delete")
      .description("delete a key: what it holds now, or what the context covers of it")
      .argument("<bucket>")
      .argument("<key>"),
  ).action(async (bucket: string, key: string, flags: Flags, command: Command) => {
    await remove(command, flags, keyPath(bucket, key))
  })
  named(
    withWishes(
      kv
        .command("update")
        .description('an operation of the bucket\'s data type, as {"op": "increment"}')
        .argument("<bucket>")
        .argument("<key>")
        .argument("<operation>"),
      "w",
    ),
  ).action(async (bucket: string, key: string, operation: string, flags: Flags, command: Command) => {
    await write(command, flags, keyPath(bucket, key) + query({ w: flags.w }), { method: "POST", body: operation })
  })
  named(
    kv
      .command("cas")
      .description("compare and set a register of a linear bucket; - stands for: not there")
      .argument("<bucket>")
      .argument("<key>")
      .argument("<expect>")
      .argument("<value>")
      .option("--json", "print JSON"),
  ).action(async (bucket: string, key: string, expect: string, value: string, flags: Flags, command: Command) => {
    const orNull = (text: string): string | null => (text === "-" ? null : text)
    const body = JSON.stringify({ expect: orNull(expect), value: orNull(value) })
    await write(command, flags, keyPath(bucket, key), { method: "POST", body })
  })
}

function registerLists(kv: Command): void {
  kv.command("scan")
    .description("keys of a bucket, in order")
    .argument("<bucket>")
    .option("--prefix <text>", "keys that begin so", "")
    .option("--after <key>", "keys behind this one")
    .option("--limit <n>", "how many", count, 100)
    .option("--keys", "without values")
    .option("--json", "print JSON")
    .action(
      async (bucket: string, flags: { prefix: string; after?: string; limit: number; keys?: true; json?: true }, command: Command) => {
        const path = `/v1/kv/${encodeURIComponent(bucket)}${query({ prefix: flags.prefix, after: flags.after, limit: flags.limit, keys: flags.keys === true ? "" : undefined })}`
        const page = await storeOf(command).json<{
          entries: { key: string; values: string[]; result?: unknown }[]
          next: string | null
          coverage: { missing: number[] }
        }>(path)
        if (flags.json === true) return console.log(JSON.stringify(page))
        for (const { key, values, result } of page.entries)
          console.log(`${key}\t${result === undefined ? values.join("\t") : JSON.stringify(result)}`)
        if (page.coverage.missing.length > 0) console.error(`not covered: partitions ${page.coverage.missing.join(" ")}`)
        if (page.next !== null) console.error(`more: --after ${page.next}`)
      },
    )
  kv.command("watch")
    .description("changes of a bucket as they come, one JSON line each")
    .argument("<bucket>")
    .option("--prefix <text>", "keys that begin so", "")
    .option("--count <n>", "end after so many", count)
    .option("--json", "the same: changes are JSON lines")
    .action(async (bucket: string, flags: { prefix: string; count?: number }, command: Command) => {
      let left = flags.count ?? Number.POSITIVE_INFINITY
      for await (const { event, data } of storeOf(command).events(
        `/v1/kv/${encodeURIComponent(bucket)}${query({ prefix: flags.prefix, watch: "" })}`,
      )) {
        if (event === "overflow") throw new CommandFailure("overflow", "changes came faster than they were read; scan, then watch again")
        if (event !== "change") continue
        console.log(data)
        if (--left <= 0) return process.exit(0)
      }
    })
}

function registerBuckets(kv: Command): void {
  const buckets = kv.command("buckets").description("buckets and how each reconciles concurrent writes").option("--json", "print JSON")
  buckets.action(async (flags: { json?: true }, command: Command) => {
    const { buckets: list } = await storeOf(command).json<{ buckets: { name: string; policy: string; crdt?: string; handler?: string }[] }>(
      "/v1/kv",
    )
    if (flags.json === true) return console.log(JSON.stringify({ buckets: list }))
    for (const { name, policy, crdt, handler } of list) console.log(`${name.padEnd(20)} ${policy.padEnd(10)} ${crdt ?? handler ?? ""}`)
  })
  buckets
    .command("create")
    .description("make a bucket")
    .argument("<name>")
    .requiredOption("--policy <policy>", "lww, siblings, handler, crdt, linear")
    .option("--crdt <type>", "g-counter, pn-counter, lww-register, mv-register, or-set, flag, or-map")
    .option("--handler <name>", "of a registered function, or of a service on the bus")
    .option("--memory", "acknowledge before it is on disk")
    .option("--json", "print JSON")
    .action(
      async (name: string, flags: { policy: string; crdt?: string; handler?: string; memory?: true; json?: true }, command: Command) => {
        const { policy, crdt, handler } = flags
        const body = JSON.stringify({
          policy,
          ...(crdt === undefined ? {} : { crdt }),
          ...(handler === undefined ? {} : { handler }),
          ...(flags.memory === true ? { durability: "memory" } : {}),
        })
        const { text } = await storeOf(command).ask(`/v1/kv/${encodeURIComponent(name)}`, { method: "PUT", body })
        console.log(command.optsWithGlobals<{ json?: true }>().json === true ? text.trim() : `${name}: ${policy}`)
      },
    )
}

function withWishes(command: Command, quorum: "r" | "w"): Command {
  return command
    .option(`--${quorum} <n>`, quorum === "r" ? "replicas that must answer" : "replicas that must have it on disk", count)
    .option("--session <token>", 'session token of the last answer (Kv-Session), or "new"')
    .option("--json", "print JSON")
}

function withWrites(command: Command): Command {
  return named(withWishes(command, "w").option("--context <etag>", "the ETag of the read that this write replaces"))
}

function named(command: Command): Command {
  return command.option("--idempotency-key <key>", "sent again under the same key, the write is done once")
}

async function write(
  command: Command,
  flags: Flags,
  path: string,
  request: { readonly method: "PUT" | "POST" | "DELETE"; readonly body?: string },
): Promise<void> {
  const headers: Record<string, string> = {
    ...sessionHeader(flags),
    ...(flags.context === undefined ? {} : { "if-match": flags.context }),
    ...(flags.idempotencyKey === undefined ? {} : { "idempotency-key": flags.idempotencyKey }),
  }
  const { status, headers: answered, text } = await storeOf(command).ask(path, { ...request, headers, accept: [412] })
  const answer = JSON.parse(text) as { values: string[]; result?: unknown; swapped?: boolean }
  if (flags.json === true)
    console.log(JSON.stringify({ ...answer, etag: answered.get("etag"), session: answered.get("kv-session") ?? undefined }))
  else if (status === 412) console.log(`not set: the register holds ${answer.values[0] ?? "nothing"}`)
  else if (answer.result !== undefined) console.log(JSON.stringify(answer.result))
  else if (request.method === "DELETE" && answer.values.length > 0)
    console.log(`not gone: ${answer.values.length} values that the context does not cover are there; delete again`)
  else console.log(answer.values.length > 1 ? `${answer.values.length} concurrent values: read, merge, and put with the context` : "ok")
  if (status === 412 || (request.method === "DELETE" && answer.values.length > 0)) process.exitCode = 1
}

/** A delete covers what its context covers, so without one it is read first: else every value would stay beside it. */
async function remove(command: Command, flags: Flags, path: string): Promise<void> {
  const store = storeOf(command)
  const seen =
    flags.context ?? (await store.ask(path, { headers: { ...sessionHeader(flags), ...AS_JSON }, accept: [300, 404] })).headers.get("etag")
  const context = seen === null ? {} : { context: seen }
  await write(command, { ...flags, ...context }, path + query({ w: flags.w }), { method: "DELETE" })
}

/** A value as it is; of concurrent ones each on a line, of a data type its value. */
function sayValue({ status, headers, text }: StoreAnswer): void {
  if (headers.get("content-type")?.startsWith("application/json") !== true) return console.log(text)
  const { values, result } = JSON.parse(text) as { readonly values: readonly string[]; readonly result?: unknown }
  if (result !== undefined) return console.log(JSON.stringify(result))
  for (const value of values) console.log(value)
  if (status === 300) console.error(`${values.length} concurrent values: merge them, and put with the etag that --json shows as --context`)
}

function sessionHeader({ session }: Flags): Record<string, string> {
  return session === undefined ? {} : { "kv-session": session }
}

function query(fields: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(fields).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, String(value)]]))
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`
}
