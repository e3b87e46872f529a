/** `/v1/kv` and `/v1/kv/{bucket}`: buckets, scans, watches; `/v1/store`: members, placement, repair. */
import { Hono, type Context } from "hono"
import { streamSSE } from "hono/streaming"
import { Value } from "typebox/value"
import { SERVICE_HANDLER } from "@backplane/kv-contract/handler-messages"
import { Bucket } from "@backplane/kv-contract/bucket"
import { PARTITIONS } from "@backplane/kv-contract/limits"
import { WIRE_VERSION_FIRST } from "@backplane/kv-contract/forms"
import { BUCKETS_MAX, SYSTEM_BUCKET, type StoreConfig } from "@backplane/kv-contract/store-config"
import { copiesUnderWay, withBucket, withMembers } from "@backplane/kv-replication/placement"
import { reasonOf } from "@backplane/scenario-machine/schema-error"
import { needs } from "../access.ts"
import { Problem } from "../problem.ts"
import { bucketParameter, isWatched, keyQuery } from "./parameters.ts"
import { scanBucket } from "./scan.ts"
import type { StoreDoor } from "./store-door.ts"
import { readText } from "./text-body.ts"
import { watchBucket } from "./watch.ts"

const SCAN_DEFAULT = 100
const SCAN_MAX = 10_000
const SETTLE_MILLISECONDS = 2_000

/** The answer as the server of the host has it, which none is where the routes are called by themselves. */
function outgoingOf(context: Context): { destroy(): unknown } | undefined {
  return (context.env as { readonly outgoing?: { destroy(): unknown } } | undefined)?.outgoing
}

export function bucketRoutes(door: StoreDoor): Hono {
  const routes = new Hono()
  routes.get("/v1/kv", needs(door.access, "read"), async (context) => {
    const { buckets } = await door.store().readConfig()
    return context.json({ buckets: buckets.filter(({ name }) => name !== SYSTEM_BUCKET) })
  })
  routes.put("/v1/kv/:bucket", needs(door.access, "operate"), async (context) => {
    const bucket = await bucketOf(context)
    let isThere = false
    const config = await changed(door, (before) => {
      const there = before.buckets.find(({ name }) => name === bucket.name)
      isThere = there !== undefined
      if (there !== undefined) return mustBeAsItIs(there, bucket, before)
      return before.buckets.length >= BUCKETS_MAX ? { refused: `there are ${BUCKETS_MAX} buckets already` } : withBucket(before, bucket)
    })
    if (!isThere) await settled(door, config.epoch)
    return context.json({ bucket, epoch: config.epoch }, isThere ? 200 : 201)
  })
  routes.get("/v1/kv/:bucket", needs(door.access, "read"), async (context) => {
    const bucket = bucketParameter(context)
    const [prefix = "", after] = [keyQuery(context, "prefix"), keyQuery(context, "after")]
    if (isWatched(context) || context.req.header("accept")?.includes("text/event-stream") === true) {
      const store = door.store()
      mustBeThere(bucket, await store.readConfig())
      const cut = (): void => void outgoingOf(context)?.destroy()
      return streamSSE(context, (stream) => watchBucket(stream, { store, bucket, prefix, cut }))
    }
    const limit = limitOf(context)
    const page = await scanBucket(door.store(), {
      bucket,
      prefix,
      limit,
      keysOnly: context.req.query("keys") !== undefined,
      ...(after === undefined ? {} : { after }),
    })
    return context.json(page)
  })
  routes.get("/v1/store", needs(door.access, "read"), async (context) => {
    const config = await door.store().readConfig()
    return context.json(shown(config))
  })
  routes.put("/v1/store/members", needs(door.access, "operate"), async (context) => {
    const members = membersOf(await readText(context, 65_536))
    const config = await changed(door, (before) => withMembers(before, members))
    return context.json(shown(config), 202)
  })
  return routes
}

/** What is not there never changes: a watch of it would wait for ever. */
function mustBeThere(bucket: string, { buckets }: StoreConfig): void {
  if (buckets.some(({ name }) => name === bucket)) return
  const remedy = "make the bucket first, or see `kv buckets`"
  throw new Problem({ status: 404, title: "Not found", detail: `there is no bucket ${bucket}`, field: "bucket", remedy })
}

function shown(config: StoreConfig): object {
  const { epoch, members, target, holders, next, version } = config
  return {
    epoch,
    // Every member speaks it, and what is kept may have its fields (kv/contract, forms.ts).
    version: version ?? WIRE_VERSION_FIRST,
    members,
    partitions: PARTITIONS,
    moving: Object.keys(next).length,
    copies: copiesUnderWay(config),
    target: target ?? null,
    holders,
    next,
  }
}

/** The configuration as it is, for a bucket that is asked for as it is; any other is refused, since a bucket stays what it was made as. */
function mustBeAsItIs(there: Bucket, asked: Bucket, config: StoreConfig): StoreConfig {
  const field = (Object.keys(Bucket.properties) as (keyof Bucket)[]).find((name) => there[name] !== asked[name])
  if (field === undefined) return config
  const said = (value: Bucket[keyof Bucket]): string => (value === undefined ? "not given" : String(value))
  throw new Problem({
    status: 409,
    title: "Refused",
    detail: `there is a bucket ${there.name} already, whose ${field} is ${said(there[field])}, not ${said(asked[field])}; a bucket is never changed`,
    field,
    remedy: "use another name, or ask for it as `GET /v1/kv` shows it",
  })
}

async function changed(door: StoreDoor, change: (config: StoreConfig) => StoreConfig | { readonly refused: string }): Promise<StoreConfig> {
  const config = await door.store().changeConfig(change)
  if ("refused" in config)
    throw new Problem({
      status: 409,
      title: "Refused",
      detail: config.refused,
      remedy: "see `backplane kv status` and `backplane kv buckets`",
    })
  return config
}

/** Until a read of the new bucket is not refused any more: replicas tell each other. */
async function settled(door: StoreDoor, epoch: number): Promise<void> {
  const deadline = Date.now() + SETTLE_MILLISECONDS
  while (Date.now() < deadline) {
    const { buckets, epoch: known } = door.store().config
    const name = buckets.at(-1)?.name ?? ""
    if (known < epoch) return
    const answers = await Promise.all(
      [0, 1, 2, 3].map((partition) => door.store().ask({ type: "scan", bucket: name, partition, limit: 1 }, { deadline: 500_000 })),
    )
    if (answers.every((answer) => answer.ok || answer.reason !== "unknown-bucket")) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function bucketOf(context: Context): Promise<Bucket> {
  const text = await readText(context, 16_384)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badBucket("the body is no JSON", "body")
  }
  const bucket: unknown = { ...(body as object), name: context.req.param("bucket") }
  if (Value.Check(Bucket, bucket)) {
    if (bucket.policy === "crdt" && bucket.crdt === undefined) throw badBucket("a crdt bucket needs the name of a type", "crdt")
    if (bucket.policy === "handler" && bucket.handler === undefined)
      throw badBucket("a handler bucket needs the name of a handler", "handler")
    if (bucket.handler !== undefined && !SERVICE_HANDLER.test(bucket.handler))
      throw badBucket(`no function ${bucket.handler} is registered in this store: give service:<name>, a service on the bus`, "handler")
    return bucket
  }
  const [wrong] = Value.Errors(Bucket, bucket)
  throw badBucket(wrong === undefined ? "not of the right form" : reasonOf(wrong), wrong?.instancePath.slice(1) || "body")
}

function badBucket(detail: string, field: string): Problem {
  const remedy = '{"policy": "lww | siblings | handler | crdt | linear", "crdt"?, "handler"?, "r"?, "w"?, "sloppy"?, "durability"?}'
  return new Problem({ status: 400, title: "Bad request", detail, field, remedy })
}

function membersOf(text: string): { id: string; zone: string }[] {
  const problem = (): Problem =>
    new Problem({
      status: 400,
      title: "Bad request",
      detail: "members is not of the right form",
      field: "members",
      remedy: '{"members": [{"id": "replica.0", "zone": "zone-0"}, …]}',
    })
  try {
    const { members } = JSON.parse(text) as { members?: unknown }
    if (!Array.isArray(members) || members.length === 0 || members.length > 64) throw problem()
    return members.map((member: unknown) => {
      const { id, zone = "zone-0" } = member as { id?: unknown; zone?: unknown }
      if (typeof id !== "string" || !/^replica\.\d+$/.test(id) || typeof zone !== "string") throw problem()
      return { id, zone }
    })
  } catch {
    throw problem()
  }
}

function limitOf(context: Context): number {
  const text = context.req.query("limit")
  const limit = text === undefined ? SCAN_DEFAULT : Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= SCAN_MAX) return limit
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: `limit is ${text}`,
    field: "limit",
    remedy: `a whole number from 1 to ${SCAN_MAX}`,
  })
}
