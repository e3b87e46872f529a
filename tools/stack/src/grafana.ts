/** `--grafana`: starts Grafana beside the stack, as `npx nx run grafana:up` does. It is left running: its data outlives a run. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"

/** Null when it answers, else the reason with the remedy. */
export function startGrafana(root: string): string | null {
  const program = join(root, "infra/grafana/src/up.ts")
  if (!existsSync(program)) return `--grafana: ${program} is missing; leave the option out`
  const run = spawnSync(process.execPath, [program], { cwd: root, encoding: "utf8", timeout: 300_000 })
  if (run.status === 0) {
    process.stdout.write(run.stdout)
    return null
  }
  const said = `${run.stderr ?? ""}${run.stdout ?? ""}`.trim() || (run.error?.message ?? "it said nothing")
  return `--grafana: ${said}\nor leave --grafana out: the console at the gateway shows traces too`
}
