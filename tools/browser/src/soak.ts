/**
 * `npx nx run browser:soak -- --minutes 10`: the page left open, beside a browser that reads nothing. How much the tab's process grows (private memory after a
 * collection of garbage), and whether another reader of the feed, and the gateway, notice the slow one. Ends with 1 where growth passes the limit.
 */
import { readFileSync, readdirSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { parseArgs } from "node:util"
import type { CDPSession, Page } from "playwright-core"
import { startChromium } from "./chromium.ts"
import { startStack, type Stack } from "./stack.ts"

/** What a page that is left open for ten minutes may grow by. */
const GROWTH_MEGABYTES_MAX = 20
/** Code is compiled and caches are filled by then: growth is counted from here. */
const WARM_UP_MILLISECONDS = 30_000
/** Of the feed's rate alone and beside the slow one, each. */
const RATE_MILLISECONDS = 10_000
/** Browsers that opened the feed and read nothing. */
const SLOW_READERS = 4
const MEGABYTE = 1024 * 1024

interface Memory {
  readonly heapMegabytes: number
  readonly privateMegabytes: number
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, json: { type: "boolean" } } })
  const minutes = Number(values.minutes)
  if (!(minutes > 0 && minutes <= 600)) {
    console.error(`--minutes is ${values.minutes}: give a number above 0, at most 600`)
    return 2
  }
  const browser = await startChromium(process.env)
  const stack = await startStack()
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    const session = await page.context().newCDPSession(page)
    await page.goto(stack.url)
    await page.locator("#gantt rect.run").first().waitFor({ timeout: 30_000 })
    await page.waitForTimeout(WARM_UP_MILLISECONDS)
    const gatewayPid = pidOf(stack, "gateway-0")
    const alone = { ...(await feedRate(stack)), gatewayMegabytes: privateMegabytes(gatewayPid) }
    const before = await memoryOf(page, session)
    const slow = Array.from({ length: SLOW_READERS }, () => deafReader(stack))
    const beside = await feedRate(stack)
    const series: number[] = []
    const until = Date.now() + minutes * 60_000 - RATE_MILLISECONDS
    while (Date.now() < until) {
      await page.waitForTimeout(Math.min(60_000, until - Date.now()))
      series.push(round((await memoryOf(page, session)).privateMegabytes))
    }
    const after = await memoryOf(page, session)
    for (const socket of slow) socket.destroy()
    const report = {
      minutes,
      growth_megabytes: round(after.privateMegabytes - before.privateMegabytes),
      heap_growth_megabytes: round(after.heapMegabytes - before.heapMegabytes),
      private_megabytes: round(after.privateMegabytes),
      by_minute: series,
      states_per_second_alone: round(alone.perSecond),
      states_per_second_beside_slow: round(beside.perSecond),
      gateway_growth_megabytes: round(privateMegabytes(gatewayPid) - alone.gatewayMegabytes),
      slow_readers: SLOW_READERS,
    }
    if (values.json === true) console.log(JSON.stringify(report))
    else for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(32)} ${String(value)}`)
    return report.growth_megabytes <= GROWTH_MEGABYTES_MAX ? 0 : 1
  } finally {
    await browser.close()
    stack.down()
  }
}

/** After a collection; private memory is what the tab's process costs this computer beside what it shares. */
async function memoryOf(page: Page, session: CDPSession): Promise<Memory> {
  for (let round = 0; round < 3; round++) await session.send("HeapProfiler.collectGarbage")
  await page.waitForTimeout(1_000)
  const { usedSize } = (await session.send("Runtime.getHeapUsage")) as { usedSize: number }
  return { heapMegabytes: usedSize / MEGABYTE, privateMegabytes: Math.max(...renderers().map(privateMegabytes)) }
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
async function feedRate({ url }: Stack): Promise<{ readonly perSecond: number }> {
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
  return { perSecond: states / (RATE_MILLISECONDS / 1000) }
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
