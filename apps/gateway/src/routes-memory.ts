/** Shared memory over HTTP: where pages lie, how often nodes missed on them, and moves by hand. */
import type { Json } from "@backplane/foundation-base/json"
import { joinedPart } from "@backplane/memory-contract/join-answers"
import { NODE_NUMBER_MAX, PAGE_NUMBER_MAX, type MemoryAnswer } from "@backplane/memory-contract/memory-operator-messages"
import { controllerOfPage } from "@backplane/scenario-machine/topology"
import { Hono, type Context } from "hono"
import { needs, type Access } from "./access.ts"
import { answered, hand } from "./asking.ts"
import type { Operator, Question } from "./operator.ts"
import { Problem } from "./problem.ts"

const BODY_BYTES_MAX = 16 * 1024

export function memoryRoutes(operator: () => Operator | null, access: Access): Hono {
  const routes = new Hono()
  const answerOf = async (machine: string, question: Question, index: number): Promise<MemoryAnswer> =>
    (await answered(hand(operator).askMemory(machine, question, index))) as unknown as MemoryAnswer
  /** All controllers, in their order: each knows its part. */
  const everyone = async (machine: string, question: Question): Promise<MemoryAnswer> => {
    const first = await answerOf(machine, question, 0)
    const others = Array.from({ length: first.controllers - 1 }, (_, other) => answerOf(machine, question, other + 1))
    // Of a space that has touched few pages not every controller knows.
    const [known, ...more] = [first, ...(await Promise.all(others))].filter(({ answer }) => answer !== "refused")
    return known === undefined ? accepted(machine, first) : joinedPart([known, ...more])
  }
  /** The controller that is home to the page; the first one says how many there are. */
  const home = async (context: Context, question: Question & { readonly page: number }): Promise<MemoryAnswer> => {
    const machine = context.req.param("machine") ?? ""
    const first = await answerOf(machine, question, 0)
    const index = controllerOfPage({ memory: { swapPages: 0, controllers: first.controllers } }, question.page)
    return accepted(machine, index === 0 ? first : await answerOf(machine, question, index))
  }
  routes.get("/v1/machines/:machine/memory", needs(access, "read"), async (context) => {
    const { incarnation, nodes, spaces } = await everyone(context.req.param("machine"), { kind: "MemoryMapAsk" })
    return context.json({ incarnation, nodes, spaces })
  })
  routes.get("/v1/machines/:machine/memory/:space", needs(access, "read"), async (context) => {
    const from = numberOf(context.req.query("from") ?? "0", "from", PAGE_NUMBER_MAX)
    const { machine, space } = context.req.param()
    const { spaces, pages, next } = await everyone(machine, { kind: "MemoryMapAsk", space, from })
    return context.json({ space: spaces[0] ?? null, pages, next })
  })
  routes.post("/v1/machines/:machine/memory/:space/:page/migrate", needs(access, "operate"), async (context) => {
    const { space, page } = context.req.param()
    const to = numberOf(String((await bodyOf(context, `{"to":1}`))["to"]), "to", NODE_NUMBER_MAX)
    const { pages } = await home(context, { kind: "MemoryMoveAsk", space, page: numberOf(page, "page", PAGE_NUMBER_MAX), to })
    return context.json({ pages })
  })
  routes.post("/v1/machines/:machine/memory/:space/:page/replicate", needs(access, "operate"), async (context) => {
    const { space, page } = context.req.param()
    const { on } = await bodyOf(context, `{"on":[0,1]}`)
    if (!Array.isArray(on) || on.length === 0) throw wrong("on", "a list of nodes", `send {"on":[0,1]} as application/json`)
    const nodes = on.map((node) => numberOf(String(node), "on", NODE_NUMBER_MAX))
    const { pages } = await home(context, { kind: "MemoryReplicateAsk", space, page: numberOf(page, "page", PAGE_NUMBER_MAX), on: nodes })
    return context.json({ pages })
  })
  return routes
}

function accepted(machine: string, answer: MemoryAnswer): MemoryAnswer {
  if (answer.answer !== "refused") return answer
  const { reason: detail } = answer
  const field = detail.startsWith("there is no space") ? "space" : "page"
  throw new Problem({ status: 409, title: "Refused", detail, field, remedy: `GET /v1/machines/${machine}/memory` })
}

function wrong(field: string, what: string, remedy: string): Problem {
  return new Problem({ status: 400, title: "Bad request", detail: `${field} must be ${what}`, field, remedy })
}

function numberOf(text: string, field: string, max: number): number {
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value > max) throw wrong(field, "a whole number", `give ${field} as 0, 1, 2 … ${max}`)
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
