/**
 * A claim on a port between choosing it and listening on it: two stacks that start at the same moment would both find the default free.
 *
 * A file with the claimant's pid in the folder for temporary files; made only where there is none, so one of two gets it. A dead
 * process's claim is void. Other programs know nothing of it: against them the claim does not help, and nothing can.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { isAlive } from "./stack-state.ts"

/** True where the port is ours now, until this process ends. */
export function claimPort(port: number, pid: number = process.pid, folder: string = tmpdir()): boolean {
  const path = join(folder, `backplane-port-${port}.pid`)
  // Twice: a void claim is removed, and then there is one more try.
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(path, String(pid), { flag: "wx", mode: 0o644 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return true // no such folder, no right to write: go on as without claims
      const holder = holderOf(path)
      if (holder === pid) return true
      if (holder !== null && isAlive(holder)) return false
      rmSync(path, { force: true })
    }
  }
  return false
}

/** Pid of the claimant; null where the file cannot be read or holds none. */
function holderOf(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8"))
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null
  } catch {
    return null
  }
}
