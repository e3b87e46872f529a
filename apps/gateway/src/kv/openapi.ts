/** The HTTP API of the store as a table, and the OpenAPI 3.1 document of all of the gateway: tests hold the tables against the routers. */
import { VALUE_LENGTH_MAX } from "@backplane/kv-contract/limits"
import { Bucket } from "@backplane/kv-contract/bucket"
import type { Json } from "@backplane/foundation-base/json"
import type { Scope } from "../access.ts"
import { MACHINE_API } from "../api-machine.ts"

export interface ApiRoute {
  readonly method: "get" | "put" | "post" | "delete"
  readonly path: string
  readonly summary: string
  /** Null: on loopback open to all. */
  readonly scope: Scope | null
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: { readonly type: string; readonly schema: object }
  readonly answers: Readonly<Record<string, string>>
}

const REFUSALS = {
  "400": "malformed: `field` names what is wrong, `remedy` what to send",
  "401": "a token is wanted",
  "403": "the token has not the scope",
  "404": "no such bucket or key",
  "503": "the store cannot now: Retry-After says when",
} as const
const TOO_LONG = "the key is too long"
const WRONG_KIND = "not what the bucket takes: a put into a register, an operation of another type; or too many concurrent values"
const REUSED = "the Idempotency-Key was that of another request for this key: send another one"
const WRITE_HEADERS = {
  "If-Match": "the ETag of the read that this write replaces; without it concurrent values stay beside it, as the bucket's policy says",
  "Idempotency-Key":
    "1 to 60 letters, digits, dots, colons, dashes, one for each write: sent again at any gateway, it is done once; with another method or body for the same key it is refused (422), but for keys of more than 55",
  "Kv-Session": 'session token of the last answer, or "new"',
} as const
const WRITE_QUERY = {
  w: "replicas that must have it on disk, 1 to 7",
  sloppy: "true: a stand-in may count for a replica that is away",
} as const
const TEXT = { type: "text/plain", schema: { type: "string", maxLength: VALUE_LENGTH_MAX } } as const

export const API: readonly ApiRoute[] = [
  {
    method: "get",
    path: "/v1/kv/{bucket}/{key}",
    summary: "the value; concurrent values and data types as JSON",
    scope: "read",
    query: { r: "replicas that must answer, 1 to 7" },
    headers: {
      "Kv-Session": WRITE_HEADERS["Kv-Session"],
      "If-None-Match": "ETags of reads: where one is that of what is there, it is not sent again",
    },
    answers: {
      "200":
        "the value, its context as ETag (a register has none: `expect` names what it holds), what is known of its staleness as Kv-… headers",
      "300": "concurrent values",
      "304": "what is there is what If-None-Match names",
      "414": TOO_LONG,
      ...REFUSALS,
    },
  },
  {
    method: "put",
    path: "/v1/kv/{bucket}/{key}",
    summary: "sets the value",
    scope: "write",
    query: WRITE_QUERY,
    headers: WRITE_HEADERS,
    body: TEXT,
    answers: { "200": "on the disks of W replicas", "409": WRONG_KIND, "413": "too large", "414": TOO_LONG, "422": REUSED, ...REFUSALS },
  },
  {
    method: "delete",
    path: "/v1/kv/{bucket}/{key}",
    summary: "deletes what is there now, or what the context covers of it",
    scope: "write",
    query: WRITE_QUERY,
    headers: { ...WRITE_HEADERS, "If-Match": "the ETag of a read: what has come since stays; without it the gateway reads first" },
    answers: {
      "200":
        "deleted, also where nothing was there; `values` and Kv-Values say what was written meanwhile and stays: none, and the key is gone",
      "409": WRONG_KIND,
      "414": TOO_LONG,
      "422": REUSED,
      ...REFUSALS,
    },
  },
  {
    method: "post",
    path: "/v1/kv/{bucket}/{key}",
    summary: 'an operation of the bucket\'s data type ({"op": "increment"}), or compare and set ({"expect": …, "value": …}) of a register',
    scope: "write",
    query: WRITE_QUERY,
    headers: { "Idempotency-Key": WRITE_HEADERS["Idempotency-Key"], "Kv-Session": WRITE_HEADERS["Kv-Session"] },
    body: { type: "application/json", schema: { type: "object" } },
    answers: {
      "200": "done",
      "409": WRONG_KIND,
      "412": "the register holds something else: `values` says what",
      "413": "too large",
      "414": TOO_LONG,
      "422": REUSED,
      ...REFUSALS,
    },
  },
  { method: "get", path: "/v1/kv", summary: "the buckets", scope: "read", answers: { "200": "list", ...REFUSALS } },
  {
    method: "put",
    path: "/v1/kv/{bucket}",
    summary: "makes a bucket, which is never changed afterwards: the same again changes nothing",
    scope: "operate",
    body: { type: "application/json", schema: Bucket },
    answers: {
      "200": "it is there, just so",
      "201": "made, known to all replicas that are up",
      "409": "there is another of that name: `field` names the first that differs",
      ...REFUSALS,
    },
  },
  {
    method: "get",
    path: "/v1/kv/{bucket}",
    summary: "scan in the order of keys; with Accept: text/event-stream, or ?watch, changes as server-sent events",
    scope: "read",
    query: {
      prefix: "keys that begin so",
      after: "keys behind this one",
      limit: "1 to 10000, default 100",
      keys: "without values",
      watch: "empty or true: changes from now on",
    },
    answers: { "200": "entries, where to go on, and which partitions were covered", ...REFUSALS },
  },
  {
    method: "post",
    path: "/v1/mapreduce/{bucket}",
    summary: "map and reduce where the data lies, within limits of time and memory",
    scope: "operate",
    body: {
      type: "application/json",
      schema: {
        type: "object",
        required: ["map", "reduce"],
        properties: {
          map: { type: "string", description: "(key, values) => …, or count, bytes, number" },
          reduce: { type: "string", description: "(a, b) => …, or sum, max, min" },
          prefix: { type: "string" },
          milliseconds: { type: "integer" },
          megabytes: { type: "integer" },
        },
      },
    },
    answers: { "200": "the result, and which partitions it covers", "422": "a function failed, or exceeded its limits", ...REFUSALS },
  },
  {
    method: "get",
    path: "/v1/store",
    summary: "members, placement, moves",
    scope: "read",
    answers: { "200": "as of the store's own register", ...REFUSALS },
  },
  {
    method: "put",
    path: "/v1/store/members",
    summary: "who holds the store from now on: moves begin at once, reads and writes go on",
    scope: "operate",
    body: { type: "application/json", schema: { type: "object", required: ["members"] } },
    answers: { "202": "moving", "409": "a move is under way", ...REFUSALS },
  },
]

export function openApi(routes: readonly ApiRoute[] = [...API, ...MACHINE_API]): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route) }
  return {
    openapi: "3.1.0",
    info: {
      title: "Backplane",
      version: "1",
      description:
        "Replicated keys (see each answer's Kv-… headers for what is known of its age), machines, their VMs and memory, processes, traces. OTLP/HTTP is taken at /v1/traces, /v1/metrics and /v1/logs.",
    },
    paths,
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  }
}

function operationOf({ path, summary, scope, query = {}, headers = {}, body, answers }: ApiRoute): Json {
  const parameter = (name: string, place: string, description: string): Json => ({
    name,
    in: place,
    description,
    required: place === "path",
    schema: { type: "string" },
  })
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => parameter(name ?? "", "path", `name of the ${name}`))
  return {
    summary,
    security: scope === null ? [] : [{ bearer: [scope] }],
    parameters: [
      ...inPath,
      ...Object.entries(query).map(([name, meaning]) => parameter(name, "query", meaning)),
      ...Object.entries(headers).map(([name, meaning]) => parameter(name, "header", meaning)),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: { [body.type]: { schema: body.schema as Json } } } }),
    responses: Object.fromEntries(Object.entries(answers).map(([status, description]) => [status, { description }])),
  }
}
