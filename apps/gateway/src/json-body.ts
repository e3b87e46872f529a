/** The fields of a small JSON body; nothing is read of one that says it is larger. */
import type { Json } from "@backplane/foundation-base/json"
import type { Context } from "hono"
import type { Problem } from "./problem.ts"

const BODY_BYTES_MAX = 16 * 1024

/** None for JSON that is no object. Throws what `wrong` makes of the reason. */
export async function jsonFields(context: Context, wrong: (detail: string) => Problem): Promise<Readonly<Record<string, Json>>> {
  if (Number(context.req.header("content-length") ?? 0) > BODY_BYTES_MAX) throw wrong("the body is too large")
  let body: Json
  try {
    body = (await context.req.json()) as Json
  } catch {
    throw wrong("the body is not JSON")
  }
  return typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Readonly<Record<string, Json>>) : {}
}
