/** `stack:doctor`: looks at everything the stack needs and says, for each thing that is not well, what to do. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs"
import { dockerAnswers, findNatsServer } from "../nats-server-lookup.mjs"
import { DEFAULT_PORTS, isFree } from "./ports.ts"
import { ROOT } from "./stack-layout.ts"
import { readLiveState, readStateFile } from "./stack-state.ts"

export interface Finding {
  readonly subject: string
  /** bad: the stack cannot start. fair: it can, with less. */
  readonly health: "good" | "fair" | "bad"
  readonly fact: string
  /** Null when nothing is to be done. */
  readonly remedy: string | null
}

const NODE_MAJOR_MIN = 24
const NATS_MIN: readonly [number, number, number] = [2, 9, 10]
const DISK_FREE_BYTES_MIN = 500 * 1024 * 1024

export async function doctor(home: string, json: boolean): Promise<number> {
  const findings = [
    nodeFinding(process.versions.node),
    natsFinding(),
    ...(await portFindings(home)),
    dockerFinding(),
    diskFinding(home),
    leftoverFinding(home),
  ]
  if (json) console.log(JSON.stringify(findings, null, 2))
  else for (const line of findings.flatMap(linesOf)) console.log(line)
  return findings.some((finding) => finding.health === "bad") ? 1 : 0
}

function linesOf({ subject, health, fact, remedy }: Finding): readonly string[] {
  return [`${health.padEnd(4)}  ${subject.padEnd(12)}  ${fact}`, ...(remedy === null ? [] : [`      ${"".padEnd(12)}  → ${remedy}`])]
}

export function nodeFinding(version: string): Finding {
  const good = Number(version.split(".")[0]) >= NODE_MAJOR_MIN
  return {
    subject: "Node.js",
    health: good ? "good" : "bad",
    fact: version,
    remedy: good ? null : `install Node.js ${NODE_MAJOR_MIN}, or run npm ci, which brings it on most systems`,
  }
}

function natsFinding(): Finding {
  const found = findNatsServer()
  const subject = "nats-server"
  if (found.kind === "missing") return { subject, health: "bad", fact: "missing", remedy: found.reason }
  if (found.kind === "running")
    return { subject, health: "good", fact: `NATS_URL names a running one: ${withoutPassword(found.url)}`, remedy: null }
  if (found.kind === "docker")
    return { subject, health: "fair", fact: `no program; the image ${found.image} will be used`, remedy: "a program starts sooner" }
  const run = spawnSync(found.path, ["--version"], { encoding: "utf8", timeout: 5000 })
  return natsVersionFinding(found.path, run.stdout ?? "")
}

export function natsVersionFinding(path: string, said: string): Finding {
  const numbers = /v(\d+)\.(\d+)\.(\d+)/.exec(said)?.slice(1).map(Number)
  const fact = `${path} ${numbers?.join(".") ?? "of unknown version"}`
  const recent = numbers !== undefined && compareVersions(numbers, NATS_MIN) >= 0
  return {
    subject: "nats-server",
    health: recent ? "good" : "bad",
    fact,
    remedy: recent ? null : `install nats-server ${NATS_MIN.join(".")} or newer`,
  }
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  const at = [0, 1, 2].find((index) => a[index] !== b[index])
  return at === undefined ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

async function portFindings(home: string): Promise<readonly Finding[]> {
  // A running stack holds them itself.
  if (readLiveState(home) !== null) return []
  return await Promise.all(
    Object.entries(DEFAULT_PORTS).map(async ([name, port]): Promise<Finding> => {
      const free = await isFree(port)
      const remedy = free ? null : "the stack takes the next free one; stop the other program if you want this one"
      return { subject: `port ${port}`, health: free ? "good" : "fair", fact: `${name}: ${free ? "free" : "taken"}`, remedy }
    }),
  )
}

function dockerFinding(): Finding {
  const answers = dockerAnswers()
  const fact = answers ? "an engine answers" : "no engine answers"
  return {
    subject: "docker",
    health: answers ? "good" : "fair",
    fact,
    remedy: answers ? null : "only --grafana needs it: start or install a docker engine",
  }
}

function diskFinding(home: string): Finding {
  const { bavail, bsize } = statfsSync(existsSync(home) ? home : ROOT)
  const bytes = bavail * bsize
  const good = bytes >= DISK_FREE_BYTES_MIN
  const fact = `${Math.floor(bytes / 1024 ** 2)} MiB free`
  return {
    subject: "disk",
    health: good ? "good" : "bad",
    fact,
    remedy: good ? null : `free ${DISK_FREE_BYTES_MIN / 1024 ** 2} MiB; old data lies in ${home}`,
  }
}

function leftoverFinding(home: string): Finding {
  const subject = "leftovers"
  const live = readLiveState(home)
  if (live !== null) return { subject, health: "good", fact: `a stack is running (pid ${live.pid})`, remedy: null }
  const pids = leftoverPids(home)
  if (pids.length > 0) {
    return { subject, health: "fair", fact: `processes of an ended stack: ${pids.join(", ")}`, remedy: `kill -9 ${pids.join(" ")}` }
  }
  const stale = readStateFile(home) !== null
  return {
    subject,
    health: "good",
    fact: stale ? "the state file of a stack that was killed" : "none",
    remedy: stale ? "npx nx run stack:down removes it" : null,
  }
}

/** Processes whose environment or command line names this home. Only Linux tells. */
function leftoverPids(home: string): readonly number[] {
  if (!existsSync("/proc/self/environ")) return []
  const numbers = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return numbers.filter((name) => namesHome(name, home)).map(Number)
}

function namesHome(pid: string, home: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
    return environment.includes(`BACKPLANE_HOME=${home}`) || words.some((word) => word.startsWith(`${home}/`))
  } catch {
    return false
  }
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//")
}
