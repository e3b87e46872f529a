/** `npx nx run grafana:up`: starts Grafana and waits until it answers. */
import { setTimeout as sleep } from "node:timers/promises"
import { compose, told } from "./docker.ts"
import { COMPOSE_FILE } from "./folder.ts"
import { runCommand } from "./run-command.ts"

const PAGE = "http://127.0.0.1:3000"
const ATTEMPTS_MAX = 120

async function answers(): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const isUp = await fetch(`${PAGE}/api/health`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    )
    if (isUp) return true
    await sleep(1_000)
  }
  return false
}

const outcome = compose(runCommand, COMPOSE_FILE, ["up", "-d"])
const { text, code } = told(outcome)
if (code !== 0) {
  console.error(text)
  process.exitCode = code
} else if (await answers()) {
  console.log(`Grafana: ${PAGE}/d/backplane-machine`)
  console.log("send to it: OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_METRIC_EXPORT_INTERVAL=5000 npx nx run stack:up")
} else {
  console.error(`grafana: ${PAGE} does not answer after ${ATTEMPTS_MAX} s; look at: docker compose -p backplane-grafana logs`)
  process.exitCode = 1
}
