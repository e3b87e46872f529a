/**
 * Where a nats-server is to be had: NATS_URL, NATS_SERVER, the program on PATH and in the folders of system daemons, a docker engine.
 *
 * Plain JavaScript, because the bootstrap runs before any module is installed. Only looks; installing is the bootstrap's business.
 */
import { spawnSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

/** Debian puts daemons where a user's PATH does not look. */
const DAEMON_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"]

/** The image for those who have a docker engine but no program. */
export const NATS_IMAGE = "nats:2.10.29-alpine"

/**
 * @param {Record<string, string | undefined>} env
 * @returns {import("./nats-server-lookup.mjs").NatsServer}
 */
export function findNatsServer(env = process.env) {
  if (env.NATS_URL) return { kind: "running", url: env.NATS_URL }
  if (env.NATS_SERVER) {
    if (isExecutable(env.NATS_SERVER)) return { kind: "program", path: env.NATS_SERVER }
    return {
      kind: "missing",
      reason: `NATS_SERVER is "${env.NATS_SERVER}", which is no executable file: correct it or unset it`,
      installable: false,
    }
  }
  const name = process.platform === "win32" ? "nats-server.exe" : "nats-server"
  const folders = [...(env.PATH ?? "").split(delimiter).filter(Boolean), ...(process.platform === "win32" ? [] : DAEMON_FOLDERS)]
  const path = folders.map((folder) => join(folder, name)).find(isExecutable)
  if (path !== undefined) return { kind: "program", path }
  if (dockerAnswers()) return { kind: "docker", image: NATS_IMAGE }
  return { kind: "missing", reason: `no nats-server was found. ${installHint(process.platform)}`, installable: true }
}

/** How a person installs nats-server, per system. */
export function installHint(platform) {
  const other = "or set NATS_SERVER to the program, or NATS_URL to a running server"
  if (platform === "darwin") return `Run: brew install nats-server (${other})`
  if (platform === "win32") return `Run: winget install NATSAuthors.NATSServer (${other})`
  return `On Debian or Ubuntu run: sudo apt-get install nats-server; elsewhere install nats-server 2.9.10 or newer from nats.io (${other})`
}

/** True when a docker engine answers, not only its client. */
export function dockerAnswers() {
  const run = spawnSync("docker", ["info", "--format", "{{.ServerVersion}}"], { encoding: "utf8", timeout: 5000 })
  return run.status === 0 && run.stdout.trim() !== ""
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
