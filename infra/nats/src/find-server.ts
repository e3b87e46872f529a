/** Looks for the nats-server program: `NATS_SERVER`, then `PATH`, then the folders that Debian leaves out of a user's path. */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const FOLDERS_BESIDE_PATH = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"]

/** The path of the program, or null. `NATS_SERVER` set to something that cannot run is an error: it was meant. */
export function findNatsServer(environment: Readonly<Record<string, string | undefined>>): string | null {
  const named = environment["NATS_SERVER"]
  if (named !== undefined && named !== "") {
    if (!isProgram(named)) throw new Error(`NATS_SERVER is "${named}", which cannot be run: name the nats-server program or unset it`)
    return named
  }
  const name = environment["OS"] === "Windows_NT" ? "nats-server.exe" : "nats-server"
  const folders = [...(environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""), ...FOLDERS_BESIDE_PATH]
  return folders.map((folder) => join(folder, name)).find(isProgram) ?? null
}

/** What to tell a person who has none. */
export const HOW_TO_INSTALL =
  "nats-server was not found. Debian or Ubuntu: apt-get install nats-server. macOS: brew install nats-server. " +
  "Others: https://nats.io/download. Or set NATS_SERVER to the program."

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
