/** Shared memory over HTTP: where pages lie, how often nodes missed on them, and moves by hand. */
import type { Json } from "@backplane/foundation-base/json"
import { Hono, type Context } from "hono"
import { needs, type Access } from "./access.ts"
import { answered, hand } from "./asking.ts"
import type { Operator, OperatorAnswer } from "./operator.ts"
import { Problem } from "./problem.ts"

const BODY_BYTES_MAX = 16 * 1024

export function memoryRoutes(operator: () => Operator | null, access: Access): Hono {
  const routes = new Hono()
  const ask = async (context: Context, question: Readonly<Record<string, Json>>): Promise<OperatorAnswer> => {
    const machine = context.req.param("machine") ?? ""
    const answer = await answered(hand(operator).askMemory(machine, question))
    if (answer["answer"] !== "refused") return answer
    throw new Problem({
      status: 409,
      title: "Refused",
      detail: String(answer["reason"]),
      field: "page",
      remedy: `GET /v1/machines/${machine}/memory`,
    })
  }
  routes.get("/v1/machines/:machine/memory", needs(access, "read"), async (context) => {
    const { incarnation, nodes, spaces } = await ask(context, { kind: "MemoryMapAsk" })
    return context.json({ incarnation: incarnation ?? 0, nodes: nodes ?? [], spaces: spaces ?? [] })
  })
  routes.get("/v1/machines/:machine/memory/:space", needs(access, "read"), async (context) => {
    const from = numberOf(context.req.query("from") ?? "0", "from")
    const { spaces, pages, next } = await ask(context, { kind: "MemoryMapAsk", space: context.req.param("space"), from })
    return context.json({ space: (spaces as readonly Json[] | undefined)?.[0] ?? null, pages: pages ?? [], next: next ?? null })
  })
  routes.post("/v1/machines/:machine/memory/:space/:page/migrate", needs(access, "operate"), async (context) => {
    const { space, page } = context.req.param()
    const to = numberOf(String((await bodyOf(context, `{"to":1}`))["to"]), "to")
    const { pages } = await ask(context, { kind: "MemoryMoveAsk", space, page: numberOf(page, "page"), to })
    return context.json({ pages: pages ?? [] })
  })
  routes.post("/v1/machines/:machine/memory/:space/:page/replicate", needs(access, "operate"), async (context) => {
    const { space, page } = context.req.param()
    const { on } = await bodyOf(context, `{"on":[0,1]}`)
    if (!Array.isArray(on) || on.length === 0) throw wrong("on", "a list of nodes", `send {"on":[0,1]} as application/json`)
    const nodes = on.map((node) => numberOf(String(node), "on"))
    const { pages } = await ask(context, { kind: "MemoryReplicateAsk", space, page: numberOf(page, "page"), on: nodes })
    return context.json({ pages: pages ?? [] })
  })
  return routes
}

function wrong(field: string, what: string, remedy: string): Problem {
  return new Problem({ status: 400, title: "Bad request", detail: `${field} is ${what}`, field, remedy })
}

function numberOf(text: string, field: string): number {
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || !Number.isSafeInteger(value)) throw wrong(field, "a whole number", `give ${field} as 0, 1, 2 …`)
  return value
}

async function bodyOf(context: Context, example: string): Promise<Readonly<Record<string, Json>>> {
  if (Number(context.req.header("content-length") ?? 0) > BODY_BYTES_MAX) throw wrong("body", "at most 16 KiB", `send ${example}`)
  try {
    const body = (await context.req.json()) as Json
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Readonly<Record<string, Json>>
  } catch {
    // Said below.
  }
  throw wrong("body", "a JSON object", `send ${example} as application/json`)
}
