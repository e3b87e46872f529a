/**
 * Shared memory between nodes against a bare NATS request of a page, in the same run: three processes, one nats-server of our own.
 *
 * A page that is clean at home comes in three messages (node → memory controller → node where it lies → node), with the whole protocol, the
 * engine's exit and its re-entry. The bare request has two messages, and an answer of 4096 bytes that nobody makes or reads. One page at a
 * time for `fetch_ratio`, 64 harts that each wait for a page for `pages_per_second`, one hart that goes through them one after the other, pages
 * asked for ahead, for `walk_pages_per_second`. The `linked_` figures: nodes and controller have sockets of their own beside the bus, as those who
 * speak much have between the services of the store. Resident loads: with rights that the host gave, against
 * an engine where nobody ever set any. At last the home of 32,768 pages begins a new life: until it knows again who has what.
 */
import { fork, type ChildProcess } from "node:child_process"
import { join } from "node:path"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import type { NatsConnection } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { BARE_PAGE, HARTS, PAGES, readPages, REBUILT_PAGES, residentLoads, type Part, type Round } from "./memory-ends.ts"
import { figureOf, interleaved } from "./rounds.ts"

const USER = "bench"
const REBUILD_HARTS = 16
const REBUILD_MILLISECONDS_AIM = 1_000

async function barePages(connection: NatsConnection, window: number): Promise<number> {
  let asked = 0
  const asker = async (): Promise<void> => {
    while (asked++ < PAGES) await connection.request(BARE_PAGE, "", { timeout: 10_000 })
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: window }, asker))
  return (performance.now() - started) / 1000
}

function startFarEnd(server: RunningServer, password: string, part: Part): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "memory-far-end.ts"), [server.url, USER, password, part])
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve(child))
    child.once("exit", (code) => reject(new Error(`the ${part} of the memory bench ended with ${code} before it was ready`)))
  })
}

/** These far ends do what the round says; settles when they have. */
async function begin(farEnds: readonly ChildProcess[], round: Round): Promise<void> {
  await Promise.all(
    farEnds.map(
      (child) =>
        new Promise((resolve) => {
          child.once("message", resolve)
          child.send(round)
        }),
    ),
  )
}

interface Ends {
  readonly connection: NatsConnection
  readonly controller: ChildProcess
  readonly owner: ChildProcess
}

interface Reading {
  readonly harts: number
  /** Pages of a walk are asked for ahead. */
  readonly walks?: boolean
  readonly links?: boolean
}

/** Reads all pages of a space that nobody has touched. */
async function read({ connection, controller, owner }: Ends, round: Round, reading: Reading): ReturnType<typeof readPages> {
  const told = { ...round, links: reading.links === true }
  await begin([controller, owner], told)
  return readPages(connection, { ...told, ...reading })
}

/** Milliseconds from the beginning of a new life of the home until it knows again what the nodes hold and store. */
async function rebuild(ends: Ends, round: Round): Promise<number> {
  const { end } = await read(ends, round, { harts: REBUILD_HARTS })
  const started = performance.now()
  await begin([ends.controller], { ...round, incarnation: 2 })
  const milliseconds = performance.now() - started
  end()
  return milliseconds
}

async function measure(ends: Ends, options: BenchOptions): Promise<readonly Figure[]> {
  const { connection } = ends
  let round = 0
  const seconds = async (reading: Reading): Promise<number> => {
    const { seconds: taken, end } = await read(ends, { round: ++round, pages: PAGES, incarnation: 1 }, reading)
    end()
    return taken
  }
  const rounds = await interleaved(
    {
      fetch: async () => ((await seconds({ harts: 1 })) / (PAGES - 1)) * 1e6,
      bareFetch: async () => ((await barePages(connection, 1)) / PAGES) * 1e6,
      pages: async () => (PAGES - 1) / (await seconds({ harts: HARTS })),
      walked: async () => (PAGES - 1) / (await seconds({ harts: 1, walks: true })),
      linkedFetch: async () => ((await seconds({ harts: 1, links: true })) / (PAGES - 1)) * 1e6,
      linkedPages: async () => (PAGES - 1) / (await seconds({ harts: HARTS, links: true })),
      barePagesPerSecond: async () => PAGES / (await barePages(connection, HARTS)),
      resident: () => residentLoads("given"),
      untouched: () => residentLoads("never set"),
      rebuilt: () => rebuild(ends, { round: ++round, pages: REBUILT_PAGES, incarnation: 1 }),
    },
    options,
  )
  const ratio = (ours: readonly number[], bare: readonly number[]): number[] => ours.map((value, index) => value / (bare[index] ?? NaN))
  const { fetch, bareFetch, pages, walked, linkedFetch, linkedPages, barePagesPerSecond, resident, untouched, rebuilt } = rounds
  const one = (baselineName: string): { baseline: number[]; baselineName: string } => ({ baseline: fetch.map(() => 1), baselineName })
  return [
    figureOf({ name: "fetch_ratio", unit: "×", better: "lower" }, { ours: ratio(fetch, bareFetch), ...one("bare NATS request of a page") }),
    figureOf(
      { name: "fetch_us", unit: "µs", better: "lower" },
      { ours: fetch, baseline: bareFetch, baselineName: "bare NATS request of a page" },
    ),
    figureOf(
      { name: "pages_per_second", unit: "pages/s", better: "higher" },
      { ours: pages, baseline: barePagesPerSecond, baselineName: "bare NATS request of a page" },
    ),
    figureOf(
      { name: "walk_pages_per_second", unit: "pages/s", better: "higher" },
      { ours: walked, baseline: barePagesPerSecond, baselineName: "bare NATS request of a page" },
    ),
    figureOf(
      { name: "linked_fetch_ratio", unit: "×", better: "lower" },
      { ours: ratio(linkedFetch, bareFetch), ...one("bare NATS request of a page") },
    ),
    figureOf(
      { name: "linked_pages_per_second", unit: "pages/s", better: "higher" },
      { ours: linkedPages, baseline: barePagesPerSecond, baselineName: "bare NATS request of a page" },
    ),
    figureOf(
      { name: "resident_ratio", unit: "×", better: "higher" },
      { ours: ratio(resident, untouched), ...one("an engine where no rights were ever set") },
    ),
    figureOf(
      { name: "rebuild_ms", unit: "ms", better: "lower" },
      { ours: rebuilt, baseline: rebuilt.map(() => REBUILD_MILLISECONDS_AIM), baselineName: `aim, for ${REBUILT_PAGES} pages` },
    ),
  ]
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  const server = await startNatsServer({ unrestrictedUsers: [USER] })
  try {
    const password = server.credentials.get(USER) ?? ""
    const [controller, owner] = await Promise.all([startFarEnd(server, password, "controller"), startFarEnd(server, password, "owner")])
    const connection = await connect({ servers: server.url, user: USER, pass: password })
    try {
      return await measure({ connection, controller, owner }, options)
    } finally {
      await connection.close()
      for (const child of [controller, owner]) child.disconnect()
    }
  } finally {
    await server.stop()
  }
}

export const bench: Bench = {
  name: "memory",
  summary: "pages fetched from another node over NATS, against a bare request of a page; loads of resident pages; a directory rebuilt",
  run,
}
