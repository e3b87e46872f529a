/** The console's page and its data. The page is served as it stands in apps/console, its TypeScript with the types taken out. */
import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Json } from "@backplane/foundation-base/json"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { POLICY_SUMMARIES } from "@backplane/scenario-machine/policy-summaries"
import { Hono } from "hono"
import { streamSSE } from "hono/streaming"
import { hand } from "./asking.ts"
import { MachineFeed } from "./machine-feed.ts"
import { Problem } from "./problem.ts"

const FOLDER = join(import.meta.dirname, "../../console/src")
/**
 * Five pictures a second look alive; a machine is asked no more often, however many look. Nothing is lost between two: a node tells what its CPUs ran,
 * not only what they run.
 */
const FEED_MILLISECONDS = 200
const WATCHERS_MAX = 32
const FILE = /^[a-z-]+\.(ts|css)$/
/** What the page takes from elsewhere: xterm.js, when a terminal is opened. */
const VENDOR: ReadonlyMap<string, string> = new Map([
  ["xterm.mjs", "@xterm/xterm/lib/xterm.mjs"],
  ["xterm.css", "@xterm/xterm/css/xterm.css"],
])
const SECURITY = {
  "content-security-policy": "default-src 'self'; img-src data:; style-src 'self' 'unsafe-inline'",
  "x-content-type-options": "nosniff",
}

type Fields = Readonly<Record<string, Json>>

/** What the page's data comes from. */
export interface Sight {
  /** Asks the office which machines there are and where their actors run. */
  office(request: Fields): Promise<Fields>
  /** Asks one process about its actors; null where it does not answer. */
  process(instance: string, request: Fields): Promise<Fields | null>
}

/** `sight`: null while the gateway is not on the bus. */
export function consoleRoutes(sight: () => Sight | null): Hono {
  const routes = new Hono()
  routes.get("/", (context) => context.html(readFileSync(join(FOLDER, "index.html"), "utf8"), 200, SECURITY))
  routes.get("/console/vendor/:file", (context) => {
    const path = VENDOR.get(context.req.param("file"))
    if (path === undefined) throw notHere(`vendor/${context.req.param("file")}`)
    const type = path.endsWith(".css") ? "text/css" : "text/javascript"
    const text = readFileSync(fileURLToPath(import.meta.resolve(path)), "utf8")
    return context.body(text, 200, { "content-type": `${type}; charset=utf-8`, "cache-control": "max-age=86400", ...SECURITY })
  })
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
  const look = async (): Promise<Json> => machinesNow(hand(sight))
  const feed = new MachineFeed({ look, everyMilliseconds: FEED_MILLISECONDS, watchersMax: WATCHERS_MAX })
  routes.get("/api/machine", async (context) => context.json(await look()))
  routes.get("/api/policies", (context) =>
    context.json({ policies: POLICY_NAMES.map((name) => ({ name, summary: POLICY_SUMMARIES[name] })) }),
  )
  routes.get("/api/machine/stream", (context) =>
    streamSSE(context, async (stream) => {
      const leave = feed.watch({ take: (state) => stream.writeSSE({ data: state }) })
      if (leave === null) return stream.writeSSE({ data: JSON.stringify({ failed: `${WATCHERS_MAX} others are looking already` }) })
      await new Promise<void>((resolve) => stream.onAbort(resolve))
      leave()
    }),
  )
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

/** All machines with what their hypervisors and nodes say of themselves: each process is asked, and not through another. */
async function machinesNow(sight: Sight): Promise<Json> {
  const { machines, instances } = (await sight.office({ op: "list" })) as { machines?: readonly Listed[]; instances?: Json }
  const detailed = (machines ?? []).map(async (listed) => {
    const places = new Map(listed.actors.map(({ actor, instance }) => [actor, instance]))
    const look = async (actor: string): Promise<Json> => {
      const instance = places.get(actor)
      if (instance === undefined) return null
      return (await sight.process(instance, { op: "inspect", machine: listed.machine, actor }))?.["state"] ?? null
    }
    const nodes = Array.from({ length: listed.nodes }, (_, node) => look(`node.${node}`))
    const [hypervisor, memory] = await Promise.all([look("hypervisor.0"), look("memory.0")])
    const now = withoutResult(hypervisor)
    return { ...listed, policy: policyOf(now) ?? listed.policy, hypervisor: now, memory, nodes: await Promise.all(nodes) }
  })
  return { machines: await Promise.all(detailed), instances: instances ?? [] }
}

interface Listed {
  readonly machine: string
  /** With which it was made. */
  readonly policy: string
  readonly nodes: number
  readonly actors: readonly { readonly actor: string; readonly instance: string }[]
}

/** The schedule of a finished run is large, and not what the page shows. */
function withoutResult(hypervisor: Json): Json {
  if (hypervisor === null || typeof hypervisor !== "object" || Array.isArray(hypervisor)) return hypervisor
  return { ...hypervisor, result: null }
}

/** What is in force, of all its CPUs; null where the hypervisor is silent. */
function policyOf(hypervisor: Json): string | null {
  const { policy } = (hypervisor ?? {}) as { readonly policy?: unknown }
  return typeof policy === "string" ? policy : null
}
