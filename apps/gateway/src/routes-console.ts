/** The console's page and its data. The page is served as it stands in apps/console, its TypeScript with the types taken out. */
import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import type { Json } from "@backplane/foundation-base/json"
import { Hono } from "hono"
import { Problem } from "./problem.ts"

const FOLDER = join(import.meta.dirname, "../../console/src")
const FILE = /^[a-z-]+\.(ts|css)$/
const SECURITY = {
  "content-security-policy": "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'",
  "x-content-type-options": "nosniff",
}

/** What the gateway asks of the office of machines; null while it is not on the bus. */
export type AskOffice = (request: Readonly<Record<string, Json>>) => Promise<Readonly<Record<string, Json>>>

export function consoleRoutes(office: () => AskOffice | null): Hono {
  const routes = new Hono()
  routes.get("/", (context) => context.html(readFileSync(join(FOLDER, "index.html"), "utf8"), 200, SECURITY))
  routes.get("/console/:file", (context) => {
    const name = context.req.param("file")
    if (!FILE.test(name)) throw notHere(name)
    const text = source(name)
    const type = name.endsWith(".css") ? "text/css" : "text/javascript"
    return context.body(name.endsWith(".ts") ? stripTypeScriptTypes(text) : text, 200, {
      "content-type": `${type}; charset=utf-8`,
      ...SECURITY,
    })
  })
  routes.get("/api/machine", async (context) => {
    const ask = office()
    if (ask === null)
      throw new Problem({
        status: 503,
        title: "Not ready",
        detail: "the gateway is not on the bus",
        remedy: "start the stack with `npm start`",
      })
    return context.json(await machinesNow(ask))
  })
  return routes
}

function source(name: string): string {
  try {
    return readFileSync(join(FOLDER, name), "utf8")
  } catch {
    throw notHere(name)
  }
}

function notHere(name: string): Problem {
  return new Problem({ status: 404, title: "Not found", detail: `the console has no file ${name}`, field: "file" })
}

/** All machines with what their hypervisors and nodes say of themselves. */
async function machinesNow(ask: AskOffice): Promise<Json> {
  const { machines, instances } = (await ask({ op: "list" })) as { machines?: readonly Listed[]; instances?: Json }
  const look = async (machine: string, actor: string): Promise<Json> => (await ask({ op: "inspect", machine, actor }))["state"] ?? null
  const detailed = (machines ?? []).map(async (listed) => {
    const nodes = Array.from({ length: listed.nodes }, (_, node) => look(listed.machine, `node.${node}`))
    const hypervisor = await look(listed.machine, "hypervisor.0")
    return { ...listed, hypervisor: withoutResult(hypervisor), nodes: await Promise.all(nodes) }
  })
  return { machines: await Promise.all(detailed), instances: instances ?? [] }
}

interface Listed {
  readonly machine: string
  readonly nodes: number
}

/** The schedule of a finished run is large, and not what the page shows. */
function withoutResult(hypervisor: Json): Json {
  if (hypervisor === null || typeof hypervisor !== "object" || Array.isArray(hypervisor)) return hypervisor
  return { ...hypervisor, result: null }
}
