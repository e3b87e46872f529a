/**
 * Who may do what over HTTP: bearer tokens with scopes. Reading is open on loopback unless the configuration says otherwise.
 *
 * Scopes: `read` looks, `write` changes keys of the store, `operate` changes the machine (swap, kill, virtual machines). A token is a secret of
 * the stack's run; it is compared in constant time and never logged.
 */
import { createHash, timingSafeEqual } from "node:crypto"
import type { MiddlewareHandler } from "hono"
import { Problem } from "./problem.ts"

export const SCOPES = ["read", "write", "operate"] as const
export type Scope = (typeof SCOPES)[number]

export interface Access {
  /** What a caller without a token may do. */
  readonly anonymous: readonly Scope[]
  readonly tokens: ReadonlyMap<string, readonly Scope[]>
}

const TOKEN_LENGTH_MIN = 16

export class AccessError extends Error {}

/** `token=scope+scope token=scope`: spaces between tokens. Throws an `AccessError` that says what belongs there. */
export function parseTokens(text: string): ReadonlyMap<string, readonly Scope[]> {
  const entries = text.split(/\s+/).filter((entry) => entry !== "")
  return new Map(
    entries.map((entry) => {
      const at = entry.lastIndexOf("=")
      const token = entry.slice(0, at)
      if (at < 0 || token.length < TOKEN_LENGTH_MIN)
        throw new AccessError(`a token is written token=scope+scope, with at least ${TOKEN_LENGTH_MIN} characters of token`)
      return [token, parseScopes(entry.slice(at + 1))]
    }),
  )
}

/** `read+write`; empty for none. */
export function parseScopes(text: string): readonly Scope[] {
  const named = text.split("+").filter((name) => name !== "")
  return named.map((name) => {
    const scope = SCOPES.find((each) => each === name)
    if (scope === undefined) throw new AccessError(`"${name}" is no scope: there are ${SCOPES.join(", ")}`)
    return scope
  })
}

/** What the bearer of this `Authorization` header may do. A wrong token is refused rather than taken for none. */
export function scopesOf(access: Access, header: string | undefined): readonly Scope[] {
  if (header === undefined || header === "") return access.anonymous
  const given = /^Bearer +(\S+)$/i.exec(header)?.[1]
  if (given === undefined) throw unauthorised("the Authorization header is not a bearer token", "Authorization: Bearer <token>")
  const found = [...access.tokens].find(([token]) => isSame(token, given))
  if (found === undefined) throw unauthorised("this token is not known here", TOKEN_REMEDY)
  return found[1]
}

/** Lets a request through only if its token has the scope. */
export function needs(access: Access, scope: Scope): MiddlewareHandler {
  return async (context, next) => {
    if (!scopesOf(access, context.req.header("authorization")).includes(scope)) {
      throw context.req.header("authorization") === undefined
        ? unauthorised(`this needs a token with the scope ${scope}`, TOKEN_REMEDY)
        : new Problem({
            status: 403,
            title: "Forbidden",
            detail: `this token does not have the scope ${scope}`,
            field: "authorization",
            remedy: `use a token with ${scope}`,
          })
    }
    await next()
  }
}

const TOKEN_REMEDY = "send Authorization: Bearer <token>; `npx backplane token` prints the operator's"

function unauthorised(detail: string, remedy: string): Problem {
  return new Problem({ status: 401, title: "Unauthorized", detail, field: "authorization", remedy }, { "www-authenticate": "Bearer" })
}

/** Of the digests: they have one length whatever is given. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b))
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest()
}
