/**
 * What a request names in its path and its query, checked before it is asked: the edge of a replica drops a whole message for one part of it that breaks
 * the contract, and with it what others asked for in the same moment, so none of that may leave the gateway.
 */
import type { Context } from "hono"
import { BUCKET_NAME_LENGTH_MAX, KEY_LENGTH_MAX } from "@backplane/kv-contract/limits"
import { Problem } from "../problem.ts"

/** As `BucketName` of the contract has it. */
const BUCKET_NAME = /^[a-z][a-z0-9-]*$/

export function bucketParameter(context: Context): string {
  const bucket = context.req.param("bucket") ?? ""
  if (bucket.length <= BUCKET_NAME_LENGTH_MAX && BUCKET_NAME.test(bucket)) return bucket
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: "that is no bucket's name",
    field: "bucket",
    remedy: `a small letter, then small letters, digits and dashes, at most ${BUCKET_NAME_LENGTH_MAX}`,
  })
}

/** A part of a key, or a key, from the query. */
export function keyQuery(context: Context, name: "prefix" | "after"): string | undefined {
  const text = context.req.query(name)
  if (text === undefined || text.length <= KEY_LENGTH_MAX) return text
  const detail = `${name} has ${text.length} characters`
  throw new Problem({ status: 400, title: "Bad request", detail, field: name, remedy: `at most ${KEY_LENGTH_MAX}, as a key` })
}

/** Of a body: a field that is passed over is a wish that its sender believes granted. */
export function mustKnowAll(body: object, known: readonly string[]): void {
  const field = Object.keys(body).find((name) => !known.includes(name))
  if (field === undefined) return
  const remedy = `leave it out; there are ${known.join(", ")}`
  throw new Problem({ status: 400, title: "Bad request", detail: "there is no such field", field, remedy })
}

/** `?watch`, or `?watch=true`. */
export function isWatched(context: Context): boolean {
  const text = context.req.query("watch")
  if (text === undefined || text === "" || text === "true") return text !== undefined
  const remedy = "leave it out to scan; ?watch to be told of changes"
  throw new Problem({ status: 400, title: "Bad request", detail: `watch is ${text}`, field: "watch", remedy })
}
