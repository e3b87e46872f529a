/** The real `Run`. */
import { spawnSync } from "node:child_process"
import type { Run } from "./docker.ts"

const TIMEOUT_MS = 10 * 60_000

export const runCommand: Run = ([command = "", ...parameters], isShown) => {
  const ran = spawnSync(command, parameters, { encoding: "utf8", stdio: isShown ? "inherit" : "pipe", timeout: TIMEOUT_MS })
  if (ran.error !== undefined && "code" in ran.error && ran.error.code === "ENOENT") return { code: null, output: "" }
  return { code: ran.status ?? 1, output: `${ran.stdout ?? ""}${ran.stderr ?? ""}` }
}
