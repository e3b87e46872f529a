/**
 * The text of nats-server's configuration file: loopback only, one user per kind of service, passwords of this run.
 *
 * Passwords are made by `makeCredentials` for each run and never committed; whoever starts the services hands each its own.
 */
import { randomBytes } from "node:crypto"
import { permissionsOf, SERVICE_RULES, type ServiceRule, type UserPermissions } from "./permissions.ts"

/** Password by user. */
export type Credentials = ReadonlyMap<string, string>

export interface ServerSettings {
  /** -1 lets the server choose a free one. */
  readonly port: number
  readonly credentials: Credentials
  readonly rules?: readonly ServiceRule[]
  /** Null: no monitoring endpoint. -1: a free port. */
  readonly monitorPort?: number | null
  /** Folder for JetStream's files; null leaves JetStream off. */
  readonly jetStreamFolder?: string | null
  /** Null leaves websocket off. */
  readonly websocketPort?: number | null
  /** Where the server writes the ports that it chose (`<folder>/nats-server_<pid>.ports`). */
  readonly portsFolder?: string | null
  /** Extra users with all rights: for measuring and for tests of other software only. */
  readonly unrestrictedUsers?: readonly string[]
}

const LOOPBACK = "127.0.0.1"

export function makeCredentials(rules: readonly ServiceRule[] = SERVICE_RULES, extra: readonly string[] = []): Credentials {
  const users = [...rules.map((rule) => rule.user), ...extra]
  return new Map(users.map((user) => [user, randomBytes(18).toString("base64url")]))
}

export function serverConfig(settings: ServerSettings): string {
  const rules = settings.rules ?? SERVICE_RULES
  const lines = [
    `listen: ${quoted(`${LOOPBACK}:${settings.port}`)}`,
    `server_name: "backplane"`,
    // The most that the server takes without a warning: the memory of a guest moves in one message.
    "max_payload: 8MB",
    "max_pending: 64MB",
    // A frame in flight may wait for a busy receiver; only a dead one is cut off.
    `write_deadline: "10s"`,
    'lame_duck_grace_period: "1s"',
    'lame_duck_duration: "30s"',
  ]
  const { monitorPort = null, jetStreamFolder = null, websocketPort = null, portsFolder = null } = settings
  if (monitorPort !== null) lines.push(`http: ${quoted(`${LOOPBACK}:${monitorPort}`)}`)
  if (jetStreamFolder !== null) lines.push(`jetstream: { store_dir: ${quoted(jetStreamFolder)} }`)
  if (websocketPort !== null) lines.push(`websocket: { listen: ${quoted(`${LOOPBACK}:${websocketPort}`)}, no_tls: true }`)
  if (portsFolder !== null) lines.push(`ports_file_dir: ${quoted(portsFolder)}`)
  const users = rules.map((rule) => userText(permissionsOf(rule, rules), passwordOf(settings.credentials, rule.user)))
  for (const user of settings.unrestrictedUsers ?? [])
    users.push(`    { user: ${quoted(user)}, password: ${quoted(passwordOf(settings.credentials, user))} }`)
  return `${lines.join("\n")}\nauthorization {\n  timeout: 5\n  users: [\n${users.join("\n")}\n  ]\n}\n`
}

function userText(permissions: UserPermissions, password: string): string {
  const { user, publish, subscribe } = permissions
  return [
    `    { user: ${quoted(user)}, password: ${quoted(password)}, permissions: {`,
    `        publish: { allow: [${publish.map(quoted).join(", ")}] }`,
    `        subscribe: { allow: [${subscribe.map(quoted).join(", ")}] }`,
    // A reply goes to the asker's inbox, which the answerer may not know before: allowed once, for ten seconds.
    `        allow_responses: { max: 64, expires: "10s" } } }`,
  ].join("\n")
}

function passwordOf(credentials: Credentials, user: string): string {
  const password = credentials.get(user)
  if (password === undefined) throw new Error(`no password for the NATS user ${user}: makeCredentials makes one for each rule`)
  return password
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
