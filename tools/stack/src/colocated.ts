/**
 * Several services in one process (`--colocate`): imports each app's `start(environment)` from its module.
 *
 * Each keeps its own name, instance and user on the bus; messages between their actors still go through it unless the runtime routes
 * them locally. The process ends with the first service that ends: then all start again together.
 */
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"

interface Started {
  /** Settles with the exit code. */
  readonly stopped: Promise<number>
  stop(reason: string): Promise<number>
}

type Start = (environment: Readonly<Record<string, string | undefined>>) => Promise<Started>

interface Entry {
  /** Path of the module, relative to the checkout. */
  readonly module: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

const ROOT = join(import.meta.dirname, "../../..")

async function loadStart(path: string): Promise<Start> {
  // The path is made at run time: a tool may start an app, but nothing may be built upon one.
  const module = (await import(pathToFileURL(resolve(ROOT, path)).href)) as { readonly start?: unknown }
  if (typeof module.start !== "function") throw new Error(`${path} does not export start(environment): run it without --colocate`)
  return module.start as Start
}

async function main(): Promise<number> {
  const entries = JSON.parse(process.env["BACKPLANE_COLOCATED"] ?? "[]") as readonly Entry[]
  if (entries.length === 0) return (console.error("BACKPLANE_COLOCATED is empty: this program is started by stack:up --colocate"), 2)
  const starts = await Promise.all(entries.map(({ module }) => loadStart(module)))
  const { BACKPLANE_COLOCATED: _, ...shared } = process.env
  const started = await Promise.all(entries.map(({ environment }, index) => starts[index]?.({ ...shared, ...environment })))
  const services = started.filter((each) => each !== undefined)
  const code = await Promise.race(services.map((each) => each.stopped))
  await Promise.all(services.map((each) => each.stop("a co-located service has stopped")))
  return code
}

if (import.meta.main) process.exit(await main())
