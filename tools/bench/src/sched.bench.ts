/**
 * A scheduler service over NATS, two processes, one nats-server of our own: how long a decision takes and how many it makes.
 *
 * `decision_ratio`: from the word that a slice is over to the decision, one at a time, against a request of the bare client with the same
 * bytes, echoed. `batch_gain`: decisions a second with ten CPUs in a message against one, both with 4 messages on the way. `lost_share`:
 * the part of their time for which the CPUs of a node wait for decisions although tasks wait, counted by the node, with choices made ahead
 * (`schedule.prefetch`) and, as the baseline, without (sched-lost.ts).
 */
import { subjectOf } from "@backplane/foundation-runtime/subjects"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { SchedulerAttach, SchedulerCommit } from "@backplane/schedule-contract/scheduler-messages"
import type { NatsConnection } from "@nats-io/nats-core"
import { BARE_ECHO } from "./bus-ends.ts"
import type { Bench, BenchOptions, Figure } from "./bench.ts"
import { withFarEnd } from "./far-end.ts"
import { figureOf, interleaved } from "./rounds.ts"
import { benchSpec, FakeNode, SCHEDULER } from "./sched-ends.ts"
import { measureLost } from "./sched-lost.ts"

const ONE_BY_ONE = 3_000
const PIPELINED = 20_000
/** With ten CPUs in a message: fewer than there are, or a CPU would be over its slice before it had its task. */
const WINDOW = 4
const BATCH = 10

interface RoundOptions {
  readonly decisions: number
  readonly window: number
  /** CPUs whose slices are over in one message. */
  readonly batch: number
}

/** Plays the node until so many decisions have come; gives the seconds it took. */
class Round {
  readonly #connection: NatsConnection
  readonly #options: RoundOptions
  readonly #life: number
  #node: FakeNode | null = null
  #asked = 0
  #decided = 0

  constructor(connection: NatsConnection, life: number, options: RoundOptions) {
    this.#connection = connection
    this.#life = life
    this.#options = options
  }

  async run(): Promise<number> {
    const machine = benchSpec().name
    const toScheduler = subjectOf(machine, SCHEDULER, nodeActor(0))
    const say = (body: object): void => this.#connection.publish(toScheduler, JSON.stringify(body))
    let started = 0
    let finish: (seconds: number) => void = () => undefined
    const done = new Promise<number>((resolve) => (finish = resolve))
    const ask = (): void => {
      const { decisions, batch } = this.#options
      if (this.#node === null || this.#asked >= decisions) return
      this.#asked += batch
      say(this.#node.slicesOver(batch))
    }
    const ear = this.#connection.subscribe(subjectOf(machine, nodeActor(0), SCHEDULER), {
      callback: (error, message) => {
        if (error !== null) return
        const body = message.json<SchedulerAttach | SchedulerCommit>()
        if (body.kind === "SchedulerAttach") {
          if (this.#node !== null) return
          this.#node = new FakeNode(body.generation)
          return say(this.#node.snapshot())
        }
        if (started === 0) {
          // The snapshot is answered: now the clock runs.
          started = performance.now()
          for (let count = 0; count < this.#options.window; count++) ask()
          return
        }
        this.#decided += body.decisions.length
        if (this.#decided >= this.#options.decisions) return finish((performance.now() - started) / 1000)
        ask()
      },
    })
    await this.#connection.flush()
    await this.#connection.request("bench.begin", String(this.#life), { timeout: 10_000 })
    const seconds = await done
    ear.unsubscribe()
    return seconds
  }
}

async function bareRequests(connection: NatsConnection): Promise<number> {
  const node = new FakeNode(1)
  node.slicesOver(64)
  const payload = new TextEncoder().encode(JSON.stringify(node.slicesOver(1)))
  const started = performance.now()
  for (let count = 0; count < ONE_BY_ONE; count++) await connection.request(BARE_ECHO, payload, { timeout: 10_000 })
  return (performance.now() - started) / 1000
}

async function measure(connection: NatsConnection, options: BenchOptions): Promise<readonly Figure[]> {
  let life = 1
  const round = (of: RoundOptions): Promise<number> => new Round(connection, life++, of).run()
  const pipelined = async (batch: number): Promise<number> => PIPELINED / (await round({ decisions: PIPELINED, window: WINDOW, batch }))
  const rounds = await interleaved(
    {
      decision: async () => ((await round({ decisions: ONE_BY_ONE, window: 1, batch: 1 })) / ONE_BY_ONE) * 1e6,
      bare: async () => ((await bareRequests(connection)) / ONE_BY_ONE) * 1e6,
      single: () => pipelined(1),
      batched: () => pipelined(BATCH),
      ahead: () => measureLost(connection, true, life++),
      asked: () => measureLost(connection, false, life++),
    },
    options,
  )
  const over = (ours: readonly number[], others: readonly number[]): number[] => ours.map((value, index) => value / (others[index] ?? NaN))
  const { decision, bare, single, batched, ahead, asked } = rounds
  const ones = decision.map(() => 1)
  return [
    figureOf(
      { name: "decision_ratio", unit: "×", better: "lower" },
      { ours: over(decision, bare), baseline: ones, baselineName: "bare NATS request" },
    ),
    figureOf(
      { name: "batch_gain", unit: "×", better: "higher" },
      { ours: over(batched, single), baseline: ones, baselineName: "one CPU in a message" },
    ),
    figureOf(
      { name: "lost_share", unit: "of the CPUs' time, slices of 100 ms", better: "lower" },
      { ours: ahead, baseline: asked, baselineName: "without choices made ahead" },
    ),
    figureOf(
      { name: "decisions_per_second", unit: "decisions/s", better: "higher" },
      { ours: batched, baseline: single, baselineName: "one CPU in a message" },
    ),
    figureOf({ name: "decision_us", unit: "µs", better: "lower" }, { ours: decision, baseline: bare, baselineName: "bare NATS request" }),
  ]
}

function run(options: BenchOptions): Promise<readonly Figure[]> {
  return withFarEnd("sched-far-end.ts", (connection) => measure(connection, options))
}

export const bench: Bench = {
  name: "sched",
  summary: "decisions of a scheduler service over NATS, against a bare NATS request",
  run,
}
