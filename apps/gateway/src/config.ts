/** What the gateway is told from outside, read once; an error names the variable and what belongs there. */
import type { Environment } from "@backplane/foundation-telemetry/settings"
import { storeSizeOf, type StoreSize } from "@backplane/kv-replication/first-store"
import { AccessError, parseScopes, parseTokens, type Access } from "./access.ts"

export interface GatewayConfig {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly instance: string
  /** A real OTLP/HTTP endpoint that everything is passed on to, without a slash at the end; null for none. */
  readonly forwardTo: string | null
  readonly forwardHeaders: Readonly<Record<string, string>>
  readonly access: Access
  /** Users of the store that this process plays, for a stack that is to show something. */
  readonly visitors: number
  /** What the store began with. */
  readonly store: StoreSize
}

/** OTLP's own port, 4318, is left to a real collector on the same computer. */
const PORT_DEFAULT = 4380
const PORT_MAX = 65_535
const VISITORS_MAX = 64

export class ConfigError extends Error {
  override readonly name = "ConfigError"
}

export function readConfig(environment: Environment): GatewayConfig {
  const forwardTo = text(environment, "OTEL_EXPORTER_OTLP_ENDPOINT")
  if (forwardTo !== "" && !(URL.canParse(forwardTo) && /^https?:\/\//.test(forwardTo))) {
    throw new ConfigError(`OTEL_EXPORTER_OTLP_ENDPOINT is ${forwardTo}; it is an http address, for example http://127.0.0.1:4318`)
  }
  return {
    host: text(environment, "BACKPLANE_GATEWAY_HOST") || "127.0.0.1",
    port: portOf(environment),
    instance: text(environment, "BACKPLANE_ACTOR") || "gateway.0",
    forwardTo: forwardTo === "" ? null : forwardTo.replace(/\/+$/, ""),
    forwardHeaders: headersOf(text(environment, "OTEL_EXPORTER_OTLP_HEADERS")),
    access: { anonymous: anonymousScopes(environment), tokens: tokensOf(environment) },
    visitors: visitorsOf(environment),
    store: storeOf(environment),
  }
}

function storeOf(environment: Environment): StoreSize {
  const size = storeSizeOf(environment)
  if ("field" in size) throw new ConfigError(`${size.field} ${size.remedy}`)
  return size
}

function visitorsOf(environment: Environment): number {
  const given = text(environment, "BACKPLANE_STORE_VISITORS") || "0"
  const visitors = Number(given)
  if (Number.isInteger(visitors) && visitors >= 0 && visitors <= VISITORS_MAX) return visitors
  throw new ConfigError(`BACKPLANE_STORE_VISITORS is ${given}; it is a number from 0 (none) to ${VISITORS_MAX}`)
}

function portOf(environment: Environment): number {
  const given = text(environment, "BACKPLANE_GATEWAY_PORT")
  const port = given === "" ? PORT_DEFAULT : Number(given)
  if (Number.isInteger(port) && port >= 0 && port <= PORT_MAX) return port
  throw new ConfigError(`BACKPLANE_GATEWAY_PORT is ${given}; it is a port from 0 (any free one) to ${PORT_MAX}`)
}

/** `name=value,name=value`, values percent-encoded (OpenTelemetry specification, OTLP exporter). */
function headersOf(list: string): Readonly<Record<string, string>> {
  const pairs = list.split(",").filter((pair) => pair.includes("="))
  return Object.fromEntries(
    pairs.map((pair) => [pair.slice(0, pair.indexOf("=")).trim(), decoded(pair.slice(pair.indexOf("=") + 1).trim())]),
  )
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    throw new ConfigError(`OTEL_EXPORTER_OTLP_HEADERS has a value that is not percent-encoded; write % as %25`)
  }
}

function text(environment: Environment, name: string): string {
  return environment[name]?.trim() ?? ""
}

/** Unset: everyone on this computer may look. `none` closes that too. */
function anonymousScopes(environment: Environment): Access["anonymous"] {
  const given = text(environment, "BACKPLANE_ANONYMOUS")
  if (given === "") return ["read"]
  return given === "none" ? [] : setting("BACKPLANE_ANONYMOUS", () => parseScopes(given))
}

function tokensOf(environment: Environment): Access["tokens"] {
  return setting("BACKPLANE_TOKENS", () => parseTokens(text(environment, "BACKPLANE_TOKENS")))
}

/** The value is not repeated: it may hold a secret. */
function setting<T>(name: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof AccessError) throw new ConfigError(`${name}: ${error.message}`)
    throw error
  }
}
