/** What an operator may do over HTTP: let another policy take over, and kill, pause or switch off a process of the stack. */
import type { Json } from "@backplane/foundation-base/json"
import { Hono, type Context } from "hono"
import { needs, type Access } from "./access.ts"
import { answered, hand } from "./asking.ts"
import type { Operator, OperatorAnswer } from "./operator.ts"
import { Problem } from "./problem.ts"

export const PROCESS_ACTIONS = ["kill", "pause", "resume", "off", "on"] as const

const BODY_BYTES_MAX = 16 * 1024

export function operatorRoutes(operator: () => Operator | null, access: Access): Hono {
  const routes = new Hono()
  routes.get("/v1/processes", needs(access, "read"), async (context) => {
    const { processes } = await answered(hand(operator).askStack({ op: "report" }))
    return context.json({ processes: processes ?? [] })
  })
  routes.post("/v1/processes/:process/:action", needs(access, "operate"), async (context) => {
    const { process, action } = context.req.param()
    if (!PROCESS_ACTIONS.some((each) => each === action))
      throw new Problem({
        status: 404,
        title: "Not found",
        detail: `a process cannot be told to ${action}`,
        field: "action",
        remedy: PROCESS_ACTIONS.join(", "),
      })
    const answer = await answered(hand(operator).askStack({ op: "power", process, action }))
    if (answer["ok"] !== true) throw refusal(answer)
    return context.json({ process, action, processes: answer["processes"] ?? [] })
  })
  routes.put("/v1/machines/:machine/policy", needs(access, "operate"), async (context) => {
    const machine = context.req.param("machine")
    const policy = await policyOf(context)
    const answer = await answered(hand(operator).askHypervisor(machine, { kind: "SwapAsk", policy }))
    if (answer["state"] === "refused")
      throw new Problem({
        status: 409,
        title: "Refused",
        detail: String(answer["reason"]),
        field: "policy",
        remedy: "`npx backplane sched list`",
      })
    return context.json({ machine, policy, epoch: answer["epoch"] ?? null }, 202)
  })
  return routes
}

async function policyOf(context: Context): Promise<string> {
  const wrong = (detail: string): Problem =>
    new Problem({ status: 400, title: "Bad request", detail, field: "policy", remedy: `send {"policy":"eevdf"} as application/json` })
  if (Number(context.req.header("content-length") ?? 0) > BODY_BYTES_MAX) throw wrong("the body is too large")
  let body: Json
  try {
    body = (await context.req.json()) as Json
  } catch {
    throw wrong("the body is not JSON")
  }
  const policy = typeof body === "object" && body !== null && !Array.isArray(body) ? (body as Record<string, Json>)["policy"] : undefined
  if (typeof policy !== "string" || policy === "") throw wrong("the body names no policy")
  return policy
}

function refusal(answer: OperatorAnswer): Problem {
  const field = String(answer["field"] ?? "").replace(/^\//, "")
  return new Problem({ status: 400, title: "Refused", detail: `${field}: ${String(answer["reason"])}`, field, remedy: "GET /v1/processes" })
}
