/**
 * Starts a nats-server with our configuration on a free port and stops it again: for tests, benches and the stack.
 *
 * The configuration with its passwords lies in a folder of its own, readable by the user only, and is removed at the end.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findNatsServer, HOW_TO_INSTALL } from "./find-server.ts"
import { makeCredentials, serverConfig, type Credentials, type ServerSettings } from "./server-config.ts"

const START_DEADLINE_MS = 10_000
const STOP_DEADLINE_MS = 3_000
const POLL_MS = 15

export interface RunningServer {
  readonly url: string
  readonly port: number
  readonly monitorPort: number | null
  readonly pid: number
  readonly credentials: Credentials
  /** Settles when the process has ended, for whatever reason. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

export type StartSettings = Partial<Omit<ServerSettings, "portsFolder">> & { readonly program?: string }

export async function startNatsServer(settings: StartSettings = {}): Promise<RunningServer> {
  const program = settings.program ?? findNatsServer(process.env)
  if (program === null) throw new Error(HOW_TO_INSTALL)
  const folder = mkdtempSync(join(tmpdir(), "backplane-nats-"))
  chmodSync(folder, 0o700)
  const credentials = settings.credentials ?? makeCredentials(settings.rules, settings.unrestrictedUsers)
  const config = join(folder, "nats.conf")
  writeFileSync(config, serverConfig({ port: -1, ...settings, credentials, portsFolder: folder }), { mode: 0o600 })
  const child = spawn(program, ["-c", config], { stdio: ["ignore", "ignore", "pipe"] })
  const said: string[] = []
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < 64) said.push(text)
  })
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve())
    child.once("exit", () => resolve())
  })
  const clean = (): void => rmSync(folder, { recursive: true, force: true })
  const { isWatching, release } = killWithUs(child, folder)
  void ended.then(() => {
    release()
    clean()
  })
  const [ports] = await Promise.all([portsOf(folder, ended), isWatching])
  if (ports === null) {
    child.kill("SIGKILL")
    await ended
    throw new Error(`nats-server did not start: ${said.join("").trim().slice(-2000)}`)
  }
  return { url: `nats://127.0.0.1:${ports.port}`, ...ports, pid: child.pid ?? 0, credentials, ended, stop: () => stop(child, ended) }
}

/**
 * Whoever forgets to stop the server, or is killed, leaves neither it nor its folder behind: a shell waits on a pipe that breaks when this
 * process ends, however it ends. Ctrl-C reaches the shell as well, and must not end it before it has done that: it says when it no longer does, and
 * nobody has the server before. Windows has no such shell: there only an orderly end of this process takes the server along.
 */
function killWithUs(child: ChildProcess, folder: string): { readonly isWatching: Promise<void>; readonly release: () => void } {
  if (process.platform === "win32") {
    const kill = (): void => void child.kill("SIGKILL")
    process.once("exit", kill)
    return { isWatching: Promise.resolve(), release: () => process.removeListener("exit", kill) }
  }
  const script = `trap '' INT TERM HUP; echo; read -r line || { kill -9 "$1"; rm -rf "$2"; }`
  const watch = spawn("/bin/sh", ["-c", script, "watch", String(child.pid), folder], { stdio: ["pipe", "pipe", "ignore"] })
  // Where there is no shell, or it is gone, there is nothing to wait for.
  const isWatching = new Promise<void>((resolve) => {
    watch.on("error", () => resolve())
    watch.stdout.once("data", () => resolve()).once("close", () => resolve())
  })
  watch.stdin.on("error", () => undefined)
  watch.unref()
  return {
    isWatching: isWatching.then(() => void watch.stdout.destroy()),
    release: () => watch.stdin.end("stopped\n"),
  }
}

async function portsOf(folder: string, ended: Promise<void>): Promise<{ port: number; monitorPort: number | null } | null> {
  let gone = false
  void ended.then(() => (gone = true))
  for (let waited = 0; waited < START_DEADLINE_MS && !gone; waited += POLL_MS) {
    const file = readdirSync(folder).find((name) => name.endsWith(".ports"))
    const ports = file === undefined ? null : readPorts(join(folder, file))
    if (ports !== null) return ports
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return null
}

/** The server writes the file in one go, but it may be seen before its text. */
function readPorts(path: string): { port: number; monitorPort: number | null } | null {
  try {
    const ports = JSON.parse(readFileSync(path, "utf8")) as { nats?: string[]; monitoring?: string[] }
    const client = ports.nats?.[0]
    const monitor = ports.monitoring?.[0]
    if (client === undefined) return null
    return { port: Number(new URL(client).port), monitorPort: monitor === undefined ? null : Number(new URL(monitor).port) }
  } catch {
    return null
  }
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill("SIGTERM")
  const hard = setTimeout(() => child.kill("SIGKILL"), STOP_DEADLINE_MS)
  await ended
  clearTimeout(hard)
}
