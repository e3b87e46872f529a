/** What another command costs, as a whole. */
import { spawnSync } from "node:child_process"

const DEADLINE_MS = 120_000

/** CPU seconds of a whole command and its threads: the shell's `times` says what its children took, in steps of 10 ms. */
export function commandCpuSeconds(command: readonly string[]): number {
  const quoted = command.map((word) => `'${word}'`).join(" ")
  const run = spawnSync("sh", ["-c", `${quoted} >/dev/null 2>&1; times`], { encoding: "utf8", timeout: DEADLINE_MS })
  const [user = 0, system = 0] = [...(run.stdout.trim().split("\n").at(-1) ?? "").matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
  )
  return user + system
}

export function installed(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0
}
