/**
 * The bus of live machines against the bare NATS client, in the same run, two processes, one nats-server of our own.
 *
 * Request and reply: an actor asks an actor, both under ActorHost over NatsBus (JSON bodies encoded, decoded and checked at
 * both ends, a turn each), against `request` and `respond` of the client with the same bytes, which it neither makes nor reads.
 * One at a time for latency, 256 on the way for throughput. Batches: bodies of 64 bytes that one process publishes and the
 * other has received and decoded, against a publish each of the bare client. The far end keeps no more than 100,000 waiting.
 */
import type { NatsConnection } from "@nats-io/nats-core"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import {
  BARE_COUNT,
  BARE_COUNTED,
  BARE_ECHO,
  busOver,
  CLIENT,
  COUNTED_EVERY,
  COUNTER,
  hostOver,
  MACHINE,
  ping,
  requester,
} from "./bus-ends.ts"
import { withFarEnd } from "./far-end.ts"
import { figureOf, interleaved } from "./rounds.ts"

const LATENCY_REQUESTS = 2_000
const PIPELINED_REQUESTS = 30_000
const PIPELINE_WINDOW = 256
const BATCHED_MESSAGES = 500_000
const BURST = 500
const UNCOUNTED_MAX = 100_000
const BARE_PAYLOAD = new TextEncoder().encode(JSON.stringify(ping(0)))

async function actorRequests(connection: NatsConnection, total: number, window: number): Promise<number> {
  const host = hostOver(busOver(connection))
  const started = performance.now()
  await new Promise<void>((done) => void host.add({ actor: CLIENT, epoch: 1, machine: requester({ total, window, done }) }))
  const seconds = (performance.now() - started) / 1000
  host.stop("the round is over")
  return seconds
}

async function bareRequests(connection: NatsConnection, total: number, window: number): Promise<number> {
  let asked = 0
  const asker = async (): Promise<void> => {
    while (asked++ < total) await connection.request(BARE_ECHO, BARE_PAYLOAD, { timeout: 10_000 })
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: window }, asker))
  return (performance.now() - started) / 1000
}

/** Publishes in bursts, one a turn of the event loop; resolves when the far end has counted all. */
function counted(publish: (number: number) => void, listen: (onCounted: () => void) => () => void): Promise<number> {
  return new Promise((resolve) => {
    const started = performance.now()
    let published = 0
    let confirmed = 0
    const leave = listen(() => {
      confirmed += COUNTED_EVERY
      if (confirmed < BATCHED_MESSAGES) return
      leave()
      resolve(BATCHED_MESSAGES / ((performance.now() - started) / 1000))
    })
    const burst = (): void => {
      for (let count = 0; count < BURST && published < BATCHED_MESSAGES && published - confirmed < UNCOUNTED_MAX; count++)
        publish(published++)
      if (published < BATCHED_MESSAGES) setImmediate(burst)
    }
    burst()
  })
}

function batched(connection: NatsConnection): Promise<number> {
  const bus = busOver(connection)
  return counted(
    (number) => bus.publish({ machine: MACHINE, from: CLIENT, to: COUNTER, body: ping(number) }),
    (onCounted) => bus.subscribe(MACHINE, CLIENT, onCounted),
  )
}

function bareMessages(connection: NatsConnection): Promise<number> {
  return counted(
    () => connection.publish(BARE_COUNT, BARE_PAYLOAD),
    (onCounted) => {
      const subscription = connection.subscribe(BARE_COUNTED, { callback: onCounted })
      return () => subscription.unsubscribe()
    },
  )
}

async function measure(connection: NatsConnection, options: BenchOptions): Promise<readonly Figure[]> {
  const perRequest = (seconds: number): number => (seconds / LATENCY_REQUESTS) * 1e6
  const perSecond = (seconds: number): number => PIPELINED_REQUESTS / seconds
  const rounds = await interleaved(
    {
      latency: async () => perRequest(await actorRequests(connection, LATENCY_REQUESTS, 1)),
      bareLatency: async () => perRequest(await bareRequests(connection, LATENCY_REQUESTS, 1)),
      throughput: async () => perSecond(await actorRequests(connection, PIPELINED_REQUESTS, PIPELINE_WINDOW)),
      bareThroughput: async () => perSecond(await bareRequests(connection, PIPELINED_REQUESTS, PIPELINE_WINDOW)),
      batched: () => batched(connection),
      bareMessages: () => bareMessages(connection),
    },
    options,
  )
  const ratio = (ours: readonly number[], bare: readonly number[]): number[] => ours.map((value, round) => value / (bare[round] ?? NaN))
  const one = { baseline: rounds.latency.map(() => 1), baselineName: "bare NATS client" }
  const { latency, bareLatency, throughput, bareThroughput } = rounds
  return [
    figureOf({ name: "latency_ratio", unit: "×", better: "lower" }, { ours: ratio(latency, bareLatency), ...one }),
    figureOf({ name: "throughput_ratio", unit: "×", better: "higher" }, { ours: ratio(throughput, bareThroughput), ...one }),
    figureOf(
      { name: "batched_messages_per_second", unit: "messages/s", better: "higher" },
      { ours: rounds.batched, baseline: rounds.bareMessages, baselineName: "bare publish of each" },
    ),
    figureOf({ name: "request_us", unit: "µs", better: "lower" }, { ours: latency, baseline: bareLatency, baselineName: "bare request" }),
    figureOf(
      { name: "requests_per_second", unit: "requests/s", better: "higher" },
      { ours: throughput, baseline: bareThroughput, baselineName: "bare request" },
    ),
  ]
}

function run(options: BenchOptions): Promise<readonly Figure[]> {
  return withFarEnd("bus-far-end.ts", (connection) => measure(connection, options))
}

export const bench: Bench = {
  name: "bus",
  summary: "request/reply and batches between actors over NATS, against the bare NATS client",
  run,
}
