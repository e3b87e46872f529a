/**
 * Shared memory between nodes against a bare NATS request of a page, in the same run: the bench, a process for each of two nodes and the memory
 * controller, started as a stack starts them, and one nats-server of our own.
 *
 * A page that is clean at home comes in three messages (node → memory controller → node where it lies → node), with the whole protocol, the
 * engine's exit and its re-entry. The bare request has two messages, and an answer of 4096 bytes that nobody makes or reads. Bus, links, codec and
 * read-ahead are those of the services (apps/numa-node, apps/memory-controller): nodes and controller have sockets of their own beside the bus,
 * and pages that a walk comes to are read ahead. One page at a time, none ahead, for `fetch_ratio`; 64 harts that go through the pages together
 * for `pages_per_second` (`pages_ratio`: of the bare requests a second, since machines differ), and `page_cpu_us` is what that costs all
 * processes, the server included; one hart for `walk_pages_per_second`. `apart_`: nothing is read ahead, so each of the 64 harts waits for a page
 * of its own: what harts reach that miss anywhere. `bus_`: no links, as between those that have none yet. Resident loads: with rights that the
 * host gave, against an engine where nobody ever set any. At last the home of 32,768 pages begins a new life: until it knows again who has what.
 */
import { fork, type ChildProcess } from "node:child_process"
import { join } from "node:path"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import type { NatsConnection } from "@nats-io/nats-core"
import { connect } from "@nats-io/transport-node"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { nodeArguments } from "@backplane/stack/service-manifest"
import { makeWholePackages } from "@backplane/stack/whole-packages"
import { BARE_PAGE, HARTS, PAGES, PARTS, REBUILT_PAGES, residentLoads, type Order, type Part, type Round } from "./memory-ends.ts"
import { sampleCpu, type CpuSample } from "./others-cpu.ts"
import { figureOf, interleaved } from "./rounds.ts"

const USER = "bench"
const REBUILD_HARTS = 16
/** Linux counts CPU time in hundredths of a second. */
const TICK_MICROSECONDS = 10_000
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

/** Which service each part is of; the last argument is the program. */
const SERVICES: Readonly<Record<Part, string>> = { controller: "memory-controller", owner: "numa-node", reader: "numa-node" }

function startFarEnd(server: RunningServer, password: string, part: Part): Promise<ChildProcess> {
  const execArgv = nodeArguments(SERVICES[part]).slice(0, -1)
  const child = fork(join(import.meta.dirname, "memory-far-end.ts"), [server.url, USER, password, part], { execArgv })
  return new Promise((resolve, reject) => {
    child.once("message", () => resolve(child))
    child.once("exit", (code) => reject(new Error(`the ${part} of the memory bench ended with ${code} before it was ready`)))
  })
}

/** A far end does as it is told; settles with its answer when it has. */
function told(child: ChildProcess, order: Order): Promise<number> {
  return new Promise((resolve) => {
    child.once("message", (answer) => {
      resolve(Number(answer))
    })
    child.send(order)
  })
}

interface Ends extends Readonly<Record<Part, ChildProcess>> {
  readonly connection: NatsConnection
}

/** As services of a machine have it, unless it says otherwise. */
interface Reading {
  readonly harts: number
  /** Pages of a walk are read ahead. */
  readonly walks?: boolean
  /** Nodes and controller have links beside the bus. */
  readonly links?: boolean
}

interface Taken {
  readonly seconds: number
  /** CPU time of all processes, the bus included, a page; NaN where it is not told. */
  readonly cpuMicroseconds: number
}

/** Reads all pages of a space that nobody has touched. The node with its copies stays until the next, or until it is told to end. */
async function read(ends: Ends, round: Round, reading: Reading): Promise<Taken> {
  const { links = true, walks = true, harts } = reading
  const order = { ...round, links, walks, harts }
  await Promise.all(PARTS.map((part) => told(ends[part], order)))
  const before = sampleCpu()
  const seconds = await told(ends.reader, "read")
  return { seconds, cpuMicroseconds: cpuMicroseconds(before, round.pages - 1) }
}

/** Of this process and its children since then, by each of so many. */
function cpuMicroseconds(before: CpuSample | null, count: number): number {
  const afterwards = sampleCpu()
  return before === null || afterwards === null ? NaN : ((afterwards.oursTicks - before.oursTicks) * TICK_MICROSECONDS) / count
}

/** Milliseconds from the beginning of a new life of the home until it knows again what the nodes hold and store. */
async function rebuild(ends: Ends, round: Round): Promise<number> {
  await read(ends, round, { harts: REBUILD_HARTS })
  const started = performance.now()
  await told(ends.controller, { ...round, incarnation: 2 })
  const milliseconds = performance.now() - started
  ends.reader.send("end")
  return milliseconds
}

/** What CPU time the rounds of a contender took; the warm-ups come first. */
class CpuRounds {
  readonly #rounds: number[] = []

  note(cpu: number): void {
    this.#rounds.push(cpu)
  }

  last(rounds: number): readonly number[] {
    return this.#rounds.slice(-rounds)
  }
}

async function measure(ends: Ends, options: BenchOptions): Promise<readonly Figure[]> {
  const { connection } = ends
  let round = 0
  const cpu = { pages: new CpuRounds(), bare: new CpuRounds() }
  const seconds = async (reading: Reading, costs?: CpuRounds): Promise<number> => {
    const taken = await read(ends, { round: ++round, pages: PAGES, incarnation: 1 }, reading)
    ends.reader.send("end")
    costs?.note(taken.cpuMicroseconds)
    return taken.seconds
  }
  const fetch = async (reading: Reading): Promise<number> => ((await seconds(reading)) / (PAGES - 1)) * 1e6
  const perSecond = async (reading: Reading, costs?: CpuRounds): Promise<number> => (PAGES - 1) / (await seconds(reading, costs))
  const bus = { links: false } as const
  const apart = { walks: false } as const
  const rounds = await interleaved(
    {
      fetch: () => fetch({ harts: 1, ...apart }),
      busFetch: () => fetch({ harts: 1, ...apart, ...bus }),
      bareFetch: async () => ((await barePages(connection, 1)) / PAGES) * 1e6,
      pages: () => perSecond({ harts: HARTS }, cpu.pages),
      apartPages: () => perSecond({ harts: HARTS, ...apart }),
      walked: () => perSecond({ harts: 1 }),
      busPages: () => perSecond({ harts: HARTS, ...bus }),
      busApartPages: () => perSecond({ harts: HARTS, ...apart, ...bus }),
      barePagesPerSecond: async () => {
        const before = sampleCpu()
        const taken = await barePages(connection, HARTS)
        cpu.bare.note(cpuMicroseconds(before, PAGES))
        return PAGES / taken
      },
      resident: () => residentLoads("given"),
      untouched: () => residentLoads("never set"),
      rebuilt: () => rebuild(ends, { round: ++round, pages: REBUILT_PAGES, incarnation: 1 }),
    },
    options,
  )
  return figuresOf(rounds, { pages: cpu.pages.last(options.rounds), bare: cpu.bare.last(options.rounds) })
}

type Contender =
  | "fetch" | "busFetch" | "bareFetch" | "pages" | "apartPages" | "walked" | "busPages" | "busApartPages" | "barePagesPerSecond"
  | "resident" | "untouched" | "rebuilt" // prettier-ignore

function figuresOf(
  rounds: Readonly<Record<Contender, readonly number[]>>,
  cpu: { readonly pages: readonly number[]; readonly bare: readonly number[] },
): readonly Figure[] {
  const ratio = (ours: readonly number[], bare: readonly number[]): number[] => ours.map((value, index) => value / (bare[index] ?? NaN))
  const { fetch, busFetch, bareFetch, barePagesPerSecond, resident, untouched, rebuilt } = rounds
  const bare = "bare NATS request of a page"
  const one = (baselineName: string): { baseline: number[]; baselineName: string } => ({ baseline: fetch.map(() => 1), baselineName })
  const lower = (name: string, unit: string): Pick<Figure, "name" | "unit" | "better"> => ({ name, unit, better: "lower" })
  const perSecond = (name: string, ours: readonly number[]): Figure =>
    figureOf({ name, unit: "pages/s", better: "higher" }, { ours, baseline: barePagesPerSecond, baselineName: bare })
  return [
    figureOf(lower("fetch_ratio", "×"), { ours: ratio(fetch, bareFetch), ...one(bare) }),
    figureOf(lower("fetch_us", "µs"), { ours: fetch, baseline: bareFetch, baselineName: bare }),
    figureOf(lower("bus_fetch_ratio", "×"), { ours: ratio(busFetch, bareFetch), ...one(bare) }),
    perSecond("pages_per_second", rounds.pages),
    figureOf({ name: "pages_ratio", unit: "×", better: "higher" }, { ours: ratio(rounds.pages, barePagesPerSecond), ...one(bare) }),
    figureOf(lower("page_cpu_us", "µs"), { ours: cpu.pages, baseline: cpu.bare, baselineName: bare }),
    perSecond("apart_pages_per_second", rounds.apartPages),
    perSecond("walk_pages_per_second", rounds.walked),
    perSecond("bus_pages_per_second", rounds.busPages),
    perSecond("bus_apart_pages_per_second", rounds.busApartPages),
    figureOf(
      { name: "resident_ratio", unit: "×", better: "higher" },
      { ours: ratio(resident, untouched), ...one("an engine where no rights were ever set") },
    ),
    figureOf(lower("rebuild_ms", "ms"), {
      ours: rebuilt,
      baseline: rebuilt.map(() => REBUILD_MILLISECONDS_AIM),
      baselineName: `aim, for ${REBUILT_PAGES} pages`,
    }),
  ]
}

async function run(options: BenchOptions): Promise<readonly Figure[]> {
  await makeWholePackages()
  const server = await startNatsServer({ unrestrictedUsers: [USER] })
  try {
    const password = server.credentials.get(USER) ?? ""
    const [controller, owner, reader] = await Promise.all([
      startFarEnd(server, password, "controller"),
      startFarEnd(server, password, "owner"),
      startFarEnd(server, password, "reader"),
    ])
    const connection = await connect({ servers: server.url, user: USER, pass: password })
    try {
      return await measure({ connection, controller, owner, reader }, options)
    } finally {
      await connection.close()
      for (const child of [controller, owner, reader]) child.disconnect()
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
