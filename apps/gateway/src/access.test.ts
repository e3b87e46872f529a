/** Tokens and scopes: what is let through, what is refused and with which remedy. */
import { Hono } from "hono"
import { describe, expect, it } from "vitest"
import { AccessError, needs, parseScopes, parseTokens, scopesOf, type Access } from "./access.ts"
import { Problem, problemResponse } from "./problem.ts"

const OPERATOR = "operator-0123456789"
const READER = "reader-0123456789ab"
const ACCESS: Access = { anonymous: ["read"], tokens: parseTokens(`${OPERATOR}=read+write+operate ${READER}=read`) }

function app(access: Access): Hono {
  const routes = new Hono()
  routes.post("/act", needs(access, "operate"), (context) => context.text("done"))
  routes.get("/look", needs(access, "read"), (context) => context.text("seen"))
  routes.onError((error) => (error instanceof Problem ? problemResponse(error) : new Response(String(error), { status: 500 })))
  return routes
}

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })

describe("access", () => {
  it("anyone reads, and nobody acts without a token", async () => {
    expect((await app(ACCESS).request("/look")).status).toBe(200)
    const refusal = await app(ACCESS).request("/act", { method: "POST" })
    expect(refusal.status).toBe(401)
    expect(refusal.headers.get("www-authenticate")).toBe("Bearer")
    expect(await refusal.json()).toMatchObject({ field: "authorization", remedy: expect.stringContaining("backplane token") })
  })

  it("the operator's token acts, the reader's does not", async () => {
    expect((await app(ACCESS).request("/act", { method: "POST", ...bearer(OPERATOR) })).status).toBe(200)
    expect((await app(ACCESS).request("/act", { method: "POST", ...bearer(READER) })).status).toBe(403)
  })

  it("an unknown token is refused, also where none would have done", async () => {
    expect((await app(ACCESS).request("/look", bearer("operator-0123456780"))).status).toBe(401)
    expect(() => scopesOf(ACCESS, "Basic abc")).toThrow(/bearer/)
  })

  it("reading can be closed too", async () => {
    const closed: Access = { ...ACCESS, anonymous: [] }
    expect((await app(closed).request("/look")).status).toBe(401)
    expect((await app(closed).request("/look", bearer(READER))).status).toBe(200)
  })

  it.each(["short=read", "no-scope-at-all-here", "long-enough-token-1=fly"])("refuses the setting %s", (text) => {
    expect(() => parseTokens(text)).toThrow(AccessError)
  })

  it("no scope is a setting too", () => {
    expect(parseScopes("")).toEqual([])
  })
})
