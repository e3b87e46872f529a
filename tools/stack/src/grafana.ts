/** `--grafana`: starts the compose file of infra/grafana beside the stack. It is left running: its data outlives a run. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { dockerAnswers } from "../nats-server-lookup.mjs"

/** Null when it runs, else the reason with the remedy. */
export function startGrafana(root: string): string | null {
  const file = join(root, "infra/grafana/compose.yaml")
  if (!existsSync(file)) return `--grafana: ${file} is missing; leave the option out`
  if (!dockerAnswers()) {
    return "--grafana needs a docker engine and none answers: start one (docker info must work), or leave --grafana out; the console shows traces too"
  }
  const run = spawnSync("docker", ["compose", "-f", file, "up", "-d", "--wait"], { cwd: root, encoding: "utf8", timeout: 300_000 })
  return run.status === 0 ? null : `--grafana: docker compose failed: ${(run.stderr || run.error?.message) ?? "no output"}`
}
