/** What an operator may do over HTTP: let another policy take over, and kill, pause, cut off or switch off a process of the stack. */
import type { Json } from "@backplane/foundation-base/json"
import { Hono, type Context } from "hono"
import { needs, type Access } from "./access.ts"
import { answered, hand } from "./asking.ts"
import { jsonFields } from "./json-body.ts"
import type { Operator, OperatorAnswer } from "./operator.ts"
import { Problem } from "./problem.ts"

export const PROCESS_ACTIONS = ["kill", "pause", "resume", "partition", "heal", "off", "on"] as const

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
    const wish = await wishOf(context)
    const answer = await answered(hand(operator).askHypervisor(machine, { kind: "SwapAsk", ...wish }))
    if (answer["state"] === "refused") throw swapRefusal(machine, String(answer["reason"]))
    return context.json({ machine, ...wish, epoch: answer["epoch"] ?? null }, 202)
  })
  return routes
}

const SHADOW_SLICES_MAX = 100_000

/** A policy; `shadowSlices` and `shadowOnly`: first, or only, to show what it would do; `cpus`: for these CPUs only. */
type Wish = { readonly policy: string; readonly shadowSlices?: number; readonly shadowOnly?: true; readonly cpus?: number[] }

async function wishOf(context: Context): Promise<Wish> {
  const wrong = (detail: string, field = "policy"): Problem =>
    new Problem({ status: 400, title: "Bad request", detail, field, remedy: `send {"policy":"eevdf"} as application/json` })
  const { policy, shadowSlices, shadowOnly, cpus } = await jsonFields(context, wrong)
  if (typeof policy !== "string" || policy === "") throw wrong("the body names no policy")
  if (shadowSlices !== undefined && !isCount(shadowSlices, 1, SHADOW_SLICES_MAX))
    throw wrong(`a number of slices from 1 to ${SHADOW_SLICES_MAX}`, "shadowSlices")
  if (shadowOnly !== undefined && (shadowOnly !== true || shadowSlices === undefined))
    throw wrong("true, together with shadowSlices", "shadowOnly")
  const isList = Array.isArray(cpus) && cpus.length > 0 && cpus.every((cpu) => isCount(cpu, 0, 255))
  if (cpus !== undefined && !isList) throw wrong("a list of CPU numbers", "cpus")
  return {
    policy,
    ...(isCount(shadowSlices, 1, SHADOW_SLICES_MAX) && { shadowSlices }),
    ...(shadowOnly === true && { shadowOnly }),
    ...(isList && { cpus: cpus as number[] }),
  }
}

function isCount(value: Json | undefined, least: number, most: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most
}

/** A reason that is not about the policy begins with its field: `cpus: there is no CPU 9`. */
function swapRefusal(machine: string, reason: string): Problem {
  const [, field, detail] = /^(cpus?): (.*)$/s.exec(reason) ?? [undefined, "policy", reason]
  const remedy = field === "policy" ? "`npx backplane sched list`" : `GET /api/machine: which CPUs ${machine} has`
  return new Problem({ status: 409, title: "Refused", detail: detail ?? reason, field: field ?? "policy", remedy })
}

function refusal(answer: OperatorAnswer): Problem {
  const field = String(answer["field"] ?? "").replace(/^\//, "")
  return new Problem({ status: 400, title: "Refused", detail: `${field}: ${String(answer["reason"])}`, field, remedy: "GET /v1/processes" })
}
