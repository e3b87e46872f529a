/** A Prometheus of our own for the length of a check: scrapes one gateway each second, keeps its data in a folder that goes with it. */
import { spawn, type ChildProcess } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort } from "@backplane/foundation-process/free-ports"
import type { AskPrometheus } from "./prometheus-check.ts"

/** As long as the range of a rate: both ends of it are then scraped. */
const SCRAPING_MILLISECONDS = 20_000
const READY_DEADLINE_MILLISECONDS = 20_000
const ANSWER_MILLISECONDS = 5_000

/** Throws where there is no Prometheus to run, or it does not come up. */
export async function withPrometheus<T>(gateway: string, use: (ask: AskPrometheus) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "backplane-prometheus-"))
  const port = await freePort()
  writeFileSync(join(folder, "prometheus.json"), JSON.stringify(configuration(gateway)))
  const child = spawn(
    process.env["PROMETHEUS"] ?? "prometheus",
    [
      `--config.file=${join(folder, "prometheus.json")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  )
  try {
    await ready(child, `http://127.0.0.1:${port}`)
    await sleep(SCRAPING_MILLISECONDS)
    return await use((expression) => ask(`http://127.0.0.1:${port}`, expression))
  } finally {
    await stop(child)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** JSON is YAML. Labels stay as the gateway tells them: it speaks for every process of the stack. */
function configuration(gateway: string): unknown {
  const { host } = new URL(gateway)
  return {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ job_name: "backplane", honor_labels: true, static_configs: [{ targets: [host] }] }],
  }
}

async function ready(child: ChildProcess, url: string): Promise<void> {
  const failed = new Promise<never>((_resolve, reject) => {
    child.once("error", () =>
      reject(new Error("there is no prometheus to run; on Debian: apt install prometheus, or name one in PROMETHEUS")),
    )
    child.once("exit", (code) => reject(new Error(`prometheus ended with ${code} before it was ready`)))
  })
  const up = (async () => {
    for (const deadline = Date.now() + READY_DEADLINE_MILLISECONDS; Date.now() < deadline; await sleep(200))
      if (
        await fetch(`${url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return
    throw new Error(`prometheus is not ready after ${READY_DEADLINE_MILLISECONDS / 1000} s`)
  })()
  await Promise.race([up, failed])
}

async function ask(url: string, expression: string): Promise<Awaited<ReturnType<AskPrometheus>>> {
  const query = `${url}/api/v1/query?query=${encodeURIComponent(expression)}`
  const answer = (await (await fetch(query, { signal: AbortSignal.timeout(ANSWER_MILLISECONDS) })).json()) as {
    readonly status: string
    readonly error?: string
    readonly data?: { readonly result: readonly unknown[] }
  }
  return answer.status === "success" ? { samples: answer.data?.result.length ?? 0 } : { error: answer.error ?? "no reason given" }
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return Promise.resolve()
  return new Promise((resolve) => {
    child.removeAllListeners("exit")
    child.once("exit", () => resolve())
    child.kill("SIGTERM")
    setTimeout(() => child.kill("SIGKILL"), 5_000).unref()
  })
}
