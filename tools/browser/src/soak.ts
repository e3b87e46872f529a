/**
 * `npx nx run browser:soak -- --minutes 10`: the page left open, beside a browser that reads nothing. How much the tab's process grows (private memory), and whether another reader of the feed, and the gateway, notice the slow one. Ends with 1 where growth passes the limit.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { leaveOpen } from "./chromium.ts"
import { startStack, type Stack } from "./stack.ts"

/** What a page that is left open for ten minutes may grow by. */
const GROWTH_MEGABYTES_MAX = 20
/** Code is compiled and caches are filled by then: growth is counted from here. */
const WARM_UP_MILLISECONDS = 30_000
/** Of the feed's rate alone and beside the slow one, each. */
const RATE_MILLISECONDS = 10_000
/** Browsers that opened the feed and read nothing. */
const SLOW_READERS = 4
const SAMPLES = 10

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, json: { type: "boolean" } } })
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 600)) {
    console.error(`--minutes is ${values.minutes}: give a number above 0, at most 600`)
    return 2
  }
  const stack = await startStack()
  const profile = mkdtempSync(join(tmpdir(), "backplane-soak-"))
  const browser = leaveOpen(process.env, stack.url, profile)
  try {
    await sleep(WARM_UP_MILLISECONDS)
    const gatewayPid = pidOf(stack, "gateway-0")
    const alone = await feedRate(stack)
    const [gatewayBefore, before] = [privateMegabytes(gatewayPid), await pageMegabytes()]
    const slow = Array.from({ length: SLOW_READERS }, () => deafReader(stack))
    const beside = await feedRate(stack)
    const series: number[] = []
    const until = Date.now() + minutes * 60_000 - RATE_MILLISECONDS
    while (Date.now() < until) {
      await sleep(Math.min(60_000, until - Date.now()))
      series.push(round(await pageMegabytes()))
    }
    for (const socket of slow) socket.destroy()
    const report = {
      minutes,
      growth_megabytes: round((series.at(-1) ?? before) - before),
      private_megabytes: round(before),
      by_minute: series,
      states_per_second_alone: round(alone),
      states_per_second_beside_slow: round(beside),
      gateway_growth_megabytes: round(privateMegabytes(gatewayPid) - gatewayBefore),
      slow_readers: SLOW_READERS,
    }
    if (values.json === true) console.log(JSON.stringify(report))
    else for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(32)} ${String(value)}`)
    return report.growth_megabytes <= GROWTH_MEGABYTES_MAX ? 0 : 1
  } finally {
    browser.kill("SIGKILL")
    stack.down()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

/** Of the tab's process, the least of some seconds: garbage that has not been collected yet is not growth. */
async function pageMegabytes(): Promise<number> {
  const samples: number[] = []
  for (let sample = 0; sample < SAMPLES; sample++) {
    const [largest = 0] = renderers()
      .map(privateMegabytes)
      .sort((a, b) => b - a)
    if (largest === 0) throw new Error("the browser's page is gone")
    samples.push(largest)
    await sleep(1_000)
  }
  return Math.min(...samples)
}

/** Chromium's renderer processes that this process started; the page's is the largest of them. */
function renderers(): readonly number[] {
  const parents = new Map<number, number>()
  const found: number[] = []
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const pid = Number(name)
    const stat = textOf(`/proc/${pid}/stat`)
    parents.set(pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]))
    if (textOf(`/proc/${pid}/cmdline`).includes("--type=renderer")) found.push(pid)
  }
  const isOurs = (pid: number): boolean => pid === process.pid || (pid > 1 && isOurs(parents.get(pid) ?? 0))
  return found.filter(isOurs)
}

function privateMegabytes(pid: number): number {
  const fields = [...textOf(`/proc/${pid}/smaps_rollup`).matchAll(/^Private_\w+:\s+(\d+) kB$/gm)]
  return fields.reduce((sum, [, kilobytes]) => sum + Number(kilobytes), 0) / 1024
}

/** Empty for a process that has gone meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return ""
  }
}

/** How often a reader that keeps up hears of the machine. */
async function feedRate({ url }: Stack): Promise<number> {
  const stop = new AbortController()
  const response = await fetch(`${url}/api/machine/stream`, { signal: stop.signal })
  const timer = setTimeout(() => stop.abort(), RATE_MILLISECONDS)
  let states = 0
  try {
    for await (const piece of response.body ?? [])
      states +=
        Buffer.from(piece as Uint8Array)
          .toString("latin1")
          .split("data: ").length - 1
  } catch {
    // The time is over.
  } finally {
    clearTimeout(timer)
  }
  return states / (RATE_MILLISECONDS / 1000)
}

/** Asks for the feed and reads not a byte of it. */
function deafReader({ url }: Stack): Socket {
  const { hostname, port, host } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on("error", () => undefined)
  socket.pause()
  socket.write(`GET /api/machine/stream HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`)
  return socket
}

function pidOf({ home }: Stack, process: string): number {
  const { processes } = JSON.parse(readFileSync(`${home}/stack.json`, "utf8")) as { processes: { name: string; pid: number | null }[] }
  return processes.find(({ name }) => name === process)?.pid ?? 0
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

process.exitCode = await main()
