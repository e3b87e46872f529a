/** `/v1/mapreduce/{bucket}`: functions go to the data, results come back; which partitions they covered is told. */
import { Hono } from "hono"
import type { Json } from "@backplane/foundation-base/json"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import { FUNCTION_LENGTH_MAX } from "@backplane/kv-contract/compute-messages"
import { KEY_LENGTH_MAX, PARTITIONS } from "@backplane/kv-contract/limits"
import { needs } from "../access.ts"
import { Problem } from "../problem.ts"
import { problemOf } from "./answers.ts"
import { bucketParameter, mustKnowAll } from "./parameters.ts"
import type { StoreDoor } from "./store-door.ts"
import { readText } from "./text-body.ts"

const MILLISECONDS_DEFAULT = 5_000
const MEGABYTES_DEFAULT = 64
const BODY_BYTES_MAX = 65_536

interface Wish {
  readonly map: string
  readonly reduce: string
  readonly prefix: string
  readonly milliseconds: number
  readonly megabytes: number
}

interface Partial {
  readonly result: Json
  readonly keys: number
}

export function computeRoutes(door: StoreDoor): Hono {
  const routes = new Hono()
  // What runs at the replicas is the caller's code: a matter of operators.
  routes.post("/v1/mapreduce/:bucket", needs(door.access, "operate"), async (context) => {
    const bucket = bucketParameter(context)
    const { prefix, ...wish } = wishOf(await readText(context, BODY_BYTES_MAX))
    const store = door.store()
    const deadline = (wish.milliseconds + 10_000) * 1000
    const ask = (
      operation: Omit<Extract<Operation, { type: "mapreduce" }>, "type" | "bucket" | "map" | "reduce" | "milliseconds" | "megabytes">,
    ): Promise<KvAnswer> => store.ask({ type: "mapreduce", bucket, ...wish, ...operation }, { deadline })
    const all = Array.from({ length: PARTITIONS }, (_, partition) => partition)
    const answers = await Promise.all(all.map((partition) => ask({ partition, prefix })))
    const failed = answers.find((answer) => !answer.ok && (answer.reason === "compute-failed" || answer.reason === "unknown-bucket"))
    if (failed !== undefined && !failed.ok) throw problemOf(failed)
    const partials = answers.flatMap((answer) => (answer.ok ? [answer.result as unknown as Partial] : []))
    const results = partials.filter(({ result }) => result !== null).map(({ result }) => result)
    const whole = await ask({ partition: 0, partials: results })
    if (!whole.ok) throw problemOf(whole)
    const missing = all.filter((partition) => answers[partition]?.ok !== true)
    const times = answers.map((answer) => (answer.ok ? (answer.staleness?.certifiedAt ?? null) : null))
    return context.json({
      result: (whole.result as unknown as Partial).result,
      keys: partials.reduce((sum, { keys }) => sum + keys, 0),
      coverage: { partitions: PARTITIONS, covered: PARTITIONS - missing.length, missing },
      certified: times.filter((at) => at !== null).length,
      bytes: JSON.stringify(answers).length,
    })
  })
  return routes
}

function wishOf(text: string): Wish {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch {
    throw bad("body", "a JSON object with map and reduce")
  }
  if (body === null || typeof body !== "object" || Array.isArray(body)) throw bad("body", "a JSON object with map and reduce")
  const { map, reduce, prefix = "", milliseconds = MILLISECONDS_DEFAULT, megabytes = MEGABYTES_DEFAULT } = body
  const isFunction = (given: unknown): given is string => typeof given === "string" && given !== "" && given.length <= FUNCTION_LENGTH_MAX
  const within = (given: unknown, least: number, most: number): given is number =>
    Number.isInteger(given) && Number(given) >= least && Number(given) <= most
  if (!isFunction(map)) throw bad("map", "(key, values) => … as text, or count, bytes, number")
  if (!isFunction(reduce)) throw bad("reduce", "(a, b) => … as text, or sum, max, min")
  if (typeof prefix !== "string" || prefix.length > KEY_LENGTH_MAX) throw bad("prefix", `text of at most ${KEY_LENGTH_MAX} characters`)
  if (!within(milliseconds, 1, 60_000)) throw bad("milliseconds", "a whole number from 1 to 60000")
  if (!within(megabytes, 8, 512)) throw bad("megabytes", "a whole number from 8 to 512")
  mustKnowAll(body, ["map", "reduce", "prefix", "milliseconds", "megabytes"])
  return { map, reduce, prefix, milliseconds, megabytes }
}

function bad(field: string, remedy: string): Problem {
  return new Problem({ status: 400, title: "Bad request", detail: `${field} is missing or of the wrong form`, field, remedy })
}
