/**
 * All that a run of the stack needs to know before anything is started: processes, ports, passwords, environment.
 *
 * Made once from the command line; every mistake of the user shows here, before the first process.
 */
import { randomBytes } from "node:crypto"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { parse } from "yaml"
import { pathToFileURL } from "node:url"
import { inboxPrefix, SERVICE_RULES, type ServiceRule } from "@backplane/nats/permissions"
import { makeCredentials, serverConfig, type Credentials } from "@backplane/nats/server-config"
import { findNatsServer, type NatsServer } from "../nats-server-lookup.mjs"
import { UsageError, type Invocation, type UpOptions } from "./options.ts"
import { choosePort, DEFAULT_PORTS, type PortWish } from "./ports.ts"
import type { BusAccess } from "./presence.ts"
import { GrownFile, regrown } from "./grown-processes.ts"
import { planProcesses, type HostedService, type ProcessPlan } from "./process-plan.ts"
import { BUS, SERVICES, type ServiceDeclaration } from "./service-manifest.ts"

export const ROOT = join(import.meta.dirname, "../../..")

export interface Ports {
  readonly nats: number
  readonly natsMonitor: number
  /** Of the gateway: console, API and collector. */
  readonly http: number
}

export interface StackLayout {
  readonly home: string
  readonly services: readonly ServiceDeclaration[]
  readonly plans: readonly ProcessPlan[]
  readonly bus: ProcessPlan | null
  readonly access: BusAccess
  readonly ports: Ports
  readonly notices: readonly string[]
  readonly scenario: string | null
  readonly operator: { readonly user: string; readonly password: string } | null
  readonly scheduler: { readonly user: string; readonly password: string } | null
  /** Lets its bearer act through the gateway; null where BACKPLANE_TOKENS was set by whoever started the stack. */
  readonly httpToken: string | null
  /** Shards that have joined the store, to be started the next time, too. */
  readonly grown: GrownFile
  readonly environmentOf: (plan: ProcessPlan) => Readonly<Record<string, string | undefined>>
}

const SUPERVISOR = "supervisor"
const GATEWAY = "gateway"
const TOKEN_BYTES = 24

export function homeOf(invocation: Invocation): string {
  const set = process.env["BACKPLANE_HOME"]
  return resolve(ROOT, invocation.home ?? (set === undefined || set === "" ? ".backplane" : set))
}

/** Checks what can be checked without starting or taking anything. */
export async function checkUp(options: UpOptions): Promise<{ services: readonly ServiceDeclaration[]; plans: readonly ProcessPlan[] }> {
  const services = options.manifest === null ? SERVICES : await loadManifest(options.manifest)
  const plans = planProcesses(services, options)
  for (const plan of plans) checkProgram(plan)
  if (options.scenario !== null) checkScenario(options.scenario)
  const nats = findNatsServer()
  if (nats.kind === "missing") throw new UsageError(nats.reason)
  return { services, plans }
}

/** Takes ports and makes passwords. `parentPid` is the supervisor's. */
export async function layOut(invocation: Invocation, parentPid: number): Promise<StackLayout> {
  const { up } = invocation
  const home = homeOf(invocation)
  const { services, plans: planned } = await checkUp(up)
  const grown = new GrownFile(home)
  const more = regrown(grown.names, services, { plans: planned, counts: up.counts })
  const plans = [...planned, ...more.plans]
  const nats = findNatsServer()
  const { ports, notices } = await choosePorts(up, nats)
  const rules = rulesFor(services)
  const credentials = nats.kind === "running" ? null : makeCredentials(rules)
  const access = accessTo(nats, ports, credentials)
  const bus = credentials === null ? null : busPlan(nats, home, configOf(nats, home, ports, rules, credentials))
  const password = credentials?.get("operator")
  const schedulerPassword = credentials?.get("cpu-scheduler")
  const scenario = up.scenario === null || up.scenario === "none" ? up.scenario : resolve(up.scenario)
  const httpToken = (process.env["BACKPLANE_TOKENS"] ?? "") === "" ? randomBytes(TOKEN_BYTES).toString("base64url") : null
  const shards = planned.flatMap(({ hosted }) => hosted).filter(({ service }) => service === "kv-shard").length
  const store = { shards, zones: up.zones }
  const shared = sharedEnvironment({ home, access, ports, scenario, parentPid, store, grafana: up.grafana, external: credentials === null })
  return {
    home,
    services,
    plans,
    bus,
    access,
    ports,
    notices: [...notices, ...more.notices],
    grown,
    scenario,
    scheduler: schedulerPassword === undefined ? null : { user: "cpu-scheduler", password: schedulerPassword },
    operator: password === undefined ? null : { user: "operator", password },
    httpToken,
    environmentOf: (plan) => withToken(plan, environmentOf(plan, shared, credentials), httpToken),
  }
}

async function loadManifest(file: string): Promise<readonly ServiceDeclaration[]> {
  const path = resolve(file)
  if (!existsSync(path)) throw new UsageError(`--manifest ${file}: there is no such file`)
  const module = (await import(pathToFileURL(path).href)) as { readonly services?: unknown }
  if (!Array.isArray(module.services))
    throw new UsageError(`--manifest ${file}: it must export "services", a table as in tools/stack/src/service-manifest.ts`)
  return module.services as readonly ServiceDeclaration[]
}

function checkProgram({ command, shell, name }: ProcessPlan): void {
  const [program, ...words] = command
  const file = words.find((word) => !word.startsWith("-")) // behind what Node itself is told, such as the size of its heap
  if (shell || program !== "node" || file === undefined) return
  if (!existsSync(resolve(ROOT, file)))
    throw new UsageError(`${name}: ${file} is missing; use --replace to run another program in its place`)
}

function checkScenario(file: string): void {
  if (file === "none") return // services without a machine
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch {
    throw new UsageError(`--scenario ${file}: the file cannot be read; give the path of a scenario`)
  }
  // What is in the files that it names is the hypervisor's to judge; that they are there can be said at once.
  const sizeOf = (name: string, field: string): number => {
    try {
      return statSync(resolve(dirname(file), name)).size
    } catch {
      throw new Rejection(field, `${name} cannot be read; give a path from the folder of the scenario`)
    }
  }
  try {
    resolveMachineSpec(
      parse(text),
      (guest, field) => (sizeOf(guest.file, field), ""),
      (name, field) => ({ hash: "0".repeat(64), bytes: sizeOf(name, field) }),
    )
  } catch (error) {
    throw new UsageError(`--scenario ${file}: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`)
  }
}

async function choosePorts(up: UpOptions, nats: NatsServer): Promise<{ ports: Ports; notices: readonly string[] }> {
  const wishes: Readonly<Record<keyof Ports, PortWish>> = {
    nats: { name: "NATS", first: up.natsPort ?? DEFAULT_PORTS.nats, flag: up.natsPort === null ? null : "--nats-port" },
    natsMonitor: { name: "NATS monitoring", first: DEFAULT_PORTS.natsMonitor, flag: null },
    http: { name: "console and API", first: up.httpPort ?? DEFAULT_PORTS.http, flag: up.httpPort === null ? null : "--http-port" },
  }
  const taken = new Set<number>()
  const notices: string[] = []
  const take = async (wish: PortWish): Promise<number> => {
    const { port, notice } = await choosePort(wish, taken)
    taken.add(port)
    if (notice !== null) notices.push(notice)
    return port
  }
  const own = nats.kind !== "running"
  const ports = {
    nats: own ? await take(wishes.nats) : 0,
    natsMonitor: own ? await take(wishes.natsMonitor) : 0,
    http: await take(wishes.http),
  }
  return { ports, notices }
}

/** The table of permissions, plus the supervisor, plus services that the table does not know (a manifest of the user's own). */
function rulesFor(services: readonly ServiceDeclaration[]): readonly ServiceRule[] {
  const known = new Set(SERVICE_RULES.map((rule) => rule.user))
  const extra = services.filter(({ name }) => !known.has(name)).map(({ name }) => ({ user: name, hosts: [name], talksTo: [] }))
  return [...SERVICE_RULES, { user: SUPERVISOR, hosts: [SUPERVISOR], talksTo: [], role: "operator" }, ...extra]
}

function accessTo(nats: NatsServer, ports: Ports, credentials: Credentials | null): BusAccess {
  if (nats.kind === "running") {
    const url = new URL(nats.url.includes("://") ? nats.url : `nats://${nats.url}`)
    const user = url.username === "" ? null : decodeURIComponent(url.username)
    const password = user === null ? null : decodeURIComponent(url.password)
    return { url: `nats://${url.host}`, user, password, inboxPrefix: "_INBOX" }
  }
  const password = credentials?.get(SUPERVISOR) ?? null
  return { url: `nats://127.0.0.1:${ports.nats}`, user: SUPERVISOR, password, inboxPrefix: inboxPrefix(SUPERVISOR) }
}

function configOf(nats: NatsServer, home: string, ports: Ports, rules: readonly ServiceRule[], credentials: Credentials): string {
  const inContainer = nats.kind === "docker"
  const jetStreamFolder = inContainer ? "/data" : join(home, "data")
  const text = serverConfig({ port: ports.nats, monitorPort: ports.natsMonitor, credentials, rules, jetStreamFolder })
  const path = join(home, "nats.conf")
  // A container has its own loopback: there it listens on all addresses and only the published ports are on ours.
  writeFileSync(path, inContainer ? text.replaceAll("127.0.0.1:", "0.0.0.0:") : text, { mode: 0o600 })
  return path
}

function busPlan(nats: NatsServer, home: string, config: string): ProcessPlan {
  const plan: Omit<ProcessPlan, "command"> = { name: BUS, hosted: [], shell: false, readiness: { kind: "bus" }, stopsLast: true, level: 0 }
  if (nats.kind === "program") return { ...plan, command: [nats.path, "-c", config] }
  const image = nats.kind === "docker" ? nats.image : ""
  const text = readFileSync(config, "utf8")
  const published = [...text.matchAll(/"0\.0\.0\.0:(\d+)"/g)].flatMap(([, port]) => ["-p", `127.0.0.1:${port}:${port}`])
  const mounts = ["-v", `${config}:/etc/nats.conf:ro`, "-v", `${join(home, "data")}:/data`]
  return {
    ...plan,
    command: [
      "docker",
      "run",
      "--rm",
      "--init",
      "--name",
      `backplane-nats-${process.pid}`,
      ...published,
      ...mounts,
      image,
      "-c",
      "/etc/nats.conf",
    ],
  }
}

interface Shared {
  readonly home: string
  readonly access: BusAccess
  readonly ports: Ports
  readonly scenario: string | null
  readonly parentPid: number
  /** Of the key-value store: how many shards it begins with, in how many zones. */
  readonly store: { readonly shards: number; readonly zones: number }
  readonly grafana: boolean
  readonly external: boolean
}

function sharedEnvironment(shared: Shared): Readonly<Record<string, string | undefined>> {
  const { home, access, ports, scenario, parentPid, store, grafana, external } = shared
  return {
    ...process.env,
    NATS_URL: access.url,
    BACKPLANE_NATS_URL: access.url,
    // Of somebody else's server, from its address; on our own each service gets its own pair instead.
    BACKPLANE_NATS_USER: external ? (access.user ?? undefined) : undefined,
    BACKPLANE_NATS_PASSWORD: external ? (access.password ?? undefined) : undefined,
    BACKPLANE_DATA: join(home, "data"),
    BACKPLANE_HOME: home,
    BACKPLANE_GATEWAY_PORT: String(ports.http),
    BACKPLANE_COLLECTOR: `http://127.0.0.1:${ports.http}`,
    BACKPLANE_PARENT_PID: String(parentPid),
    BACKPLANE_KV_SHARDS: String(store.shards),
    BACKPLANE_KV_ZONES: String(store.zones),
    BACKPLANE_SCENARIO: scenario ?? undefined,
    // Only beside the default machine, which is there to be looked at: whoever brings a scenario has work of his own.
    BACKPLANE_STORE_VISITORS: process.env["BACKPLANE_STORE_VISITORS"] ?? (scenario === null ? "2" : "0"),
    // Compiled code is kept between starts: a service is up some tenths of a second sooner.
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? join(home, "compile-cache"),
    ...(grafana ? { OTEL_EXPORTER_OTLP_ENDPOINT: process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "http://127.0.0.1:4318" } : {}),
  }
}

/** One service: its own user and instance. Several in one process: the list of them as JSON, for colocated.ts. */
function environmentOf(
  plan: ProcessPlan,
  shared: Readonly<Record<string, string | undefined>>,
  credentials: Credentials | null,
): Readonly<Record<string, string | undefined>> {
  const own = ({ service, instance }: HostedService): Record<string, string | undefined> => ({
    BACKPLANE_INSTANCE: instance,
    BACKPLANE_NATS_USER: credentials === null ? shared["BACKPLANE_NATS_USER"] : service,
    BACKPLANE_NATS_PASSWORD: credentials === null ? shared["BACKPLANE_NATS_PASSWORD"] : credentials.get(service),
    // The first gateway has the port that people know; others any, and say so in the stack's home.
    ...(service === "gateway" && instance !== "gateway-0" ? { BACKPLANE_GATEWAY_PORT: "0" } : {}),
  })
  const [first, ...others] = plan.hosted
  if (first === undefined) return process.env
  if (others.length === 0) return { ...shared, ...own(first) }
  const list = plan.hosted.map((hosted) => ({ module: hosted.startModule, environment: own(hosted) }))
  return { ...shared, BACKPLANE_COLOCATED: JSON.stringify(list) }
}

/** Only the gateways know it. */
function withToken(
  plan: ProcessPlan,
  environment: Readonly<Record<string, string | undefined>>,
  token: string | null,
): Readonly<Record<string, string | undefined>> {
  if (token === null || !plan.hosted.some(({ service }) => service === GATEWAY)) return environment
  return { ...environment, BACKPLANE_TOKENS: `${token}=read+write+operate` }
}
