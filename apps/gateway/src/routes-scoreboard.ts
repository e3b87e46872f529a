/** Policies compared in simulation, over HTTP: which workloads there are, and how some policies do on one of them. */
import type { Json } from "@backplane/foundation-base/json"
import { Hono, type Context } from "hono"
import { needs, type Access } from "./access.ts"
import { jsonFields } from "./json-body.ts"
import { Problem } from "./problem.ts"
import { ScoreboardFailure, type Simulate } from "./scoreboard.ts"

const POLICIES_MAX = 6
const SEEDS_MAX = 10
const NAME = /^[a-z0-9][a-z0-9@-]{0,40}$/

export function scoreboardRoutes(simulate: Simulate, access: Access): Hono {
  const routes = new Hono()
  let workloads: Promise<Json> | null = null
  let isRunning = false
  routes.get("/v1/scoreboard/workloads", needs(access, "read"), async (context) => {
    // The list does not change while this process lives; a failure is not kept.
    workloads ??= simulate(["sched-compare", "--list", "--json"])
    const asked = workloads
    asked.catch(() => (workloads = null))
    return context.json(await answered(asked))
  })
  routes.post("/v1/scoreboard", needs(access, "operate"), async (context) => {
    const { policies, workload, seeds } = await wishOf(context)
    if (isRunning)
      throw new Problem(
        { status: 429, title: "Busy", detail: "a comparison is under way", remedy: "try again when it is done" },
        { "retry-after": "5" },
      )
    isRunning = true
    try {
      const args = ["--policies", policies.join(","), "--workloads", workload, "--seeds", String(seeds)]
      return context.json(await answered(simulate(["sched-compare", ...args, "--json"])))
    } finally {
      isRunning = false
    }
  })
  return routes
}

interface Wish {
  readonly policies: readonly string[]
  readonly workload: string
  readonly seeds: number
}

async function wishOf(context: Context): Promise<Wish> {
  const wrong = (detail: string, field: string): Problem =>
    new Problem({
      status: 400,
      title: "Bad request",
      detail,
      field,
      remedy: `send {"policies":["mqms","eevdf"],"workload":"ostep","seeds":3} as application/json`,
    })
  const { policies, workload, seeds = 3 } = await jsonFields(context, (detail) => wrong(detail, "body"))
  const isName = (text: Json | undefined): text is string => typeof text === "string" && NAME.test(text)
  if (!Array.isArray(policies) || policies.length === 0 || policies.length > POLICIES_MAX || !policies.every(isName))
    throw wrong(`a list of 1 to ${POLICIES_MAX} policies`, "policies")
  if (!isName(workload)) throw wrong("the name of a workload", "workload")
  if (typeof seeds !== "number" || !Number.isInteger(seeds) || seeds < 1 || seeds > SEEDS_MAX)
    throw wrong(`a number of drawn sets from 1 to ${SEEDS_MAX}`, "seeds")
  return { policies: policies as string[], workload, seeds }
}

/** The simulator says it of its flag, `--workloads: there is none`; the caller knows a field. */
function usageProblem(message: string): Problem {
  const [, flag = "", detail = message] = /^--(\w+): (.*)$/s.exec(message) ?? []
  const field = { policies: "policies", workloads: "workload", seeds: "seeds" }[flag] ?? "body"
  const remedy = field === "policies" ? "GET /api/policies" : "GET /v1/scoreboard/workloads"
  return new Problem({ status: 400, title: "Bad request", detail, field, remedy })
}

async function answered(answer: Promise<Json>): Promise<Json> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof ScoreboardFailure)) throw error
    if (error.isUsage) throw usageProblem(error.message)
    throw new Problem({ status: 503, title: "Not done", detail: error.message, remedy: "`npx backplane sched compare` says more" })
  }
}
