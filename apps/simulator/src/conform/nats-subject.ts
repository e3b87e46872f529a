/**
 * A scheduler behind a NATS address: a service that hosts `scheduler.<queue>` (see the README of schedule/contract), in any language.
 *
 * A message and then a ping on the service's own connection: what it says at once comes before its pong. A scheduler that decides a little
 * later is waited for, up to a deadline, where the message asks for an answer.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { decodeFrame, isFrame } from "@backplane/foundation-runtime/batch-frame"
import { hostSubject, subjectOf } from "@backplane/foundation-runtime/subjects"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { NatsConnection, Subscription } from "@nats-io/nats-core"
import type { Edge, Said, Subject } from "./subject.ts"

const TEXT = new TextDecoder()
const REQUEST_MILLISECONDS = 3_000
const ANSWER_MILLISECONDS = 500
const QUIET_MILLISECONDS = 2
/** After so many messages without an answer nobody waits any more. */
const UNANSWERED_MAX = 8

export interface NatsService {
  readonly connection: NatsConnection
  readonly service: string
  readonly instance: string
  /** In `$SRV.PING`. */
  readonly pingId: string
}

export class NatsSubject implements Subject {
  readonly #at: NatsService
  readonly #spec: MachineSpec
  readonly #id: ActorId
  readonly #edge: Edge
  readonly #life: number
  #said: Said[] = []
  #ear: Subscription | null = null
  #unanswered = 0

  constructor(options: {
    readonly at: NatsService
    readonly spec: MachineSpec
    readonly id: ActorId
    readonly edge: Edge
    readonly life: number
  }) {
    this.#at = options.at
    this.#spec = options.spec
    this.#id = options.id
    this.#edge = options.edge
    this.#life = options.life
  }

  async start(): Promise<readonly Said[]> {
    const { connection, instance } = this.#at
    const { name } = this.#spec
    // bp.<machine>.node.<n>.scheduler.<queue>
    this.#ear = connection.subscribe(`bp.${name}.*.*.${this.#id}`, {
      callback: (error, message) => {
        if (error !== null) return
        const [, , kind = "", index = ""] = message.subject.split(".")
        for (const body of this.#bodiesOf(message.data)) this.#said.push({ to: `${kind}.${index}` as ActorId, body })
      },
    })
    await connection.flush()
    const actors = [{ id: this.#id, config: this.#spec }]
    const request = { op: "host", machine: name, epoch: this.#life, mode: { kind: "free" }, actors }
    const answer = await connection.request(hostSubject(instance), JSON.stringify(request), { timeout: REQUEST_MILLISECONDS })
    const reply = answer.json<{ readonly ok: boolean; readonly reason?: string }>()
    if (!reply.ok) throw new Error(`${instance} does not host ${this.#id}: ${reply.reason ?? ""}`)
    await this.#settle()
    return this.#take()
  }

  /** JSON; or a frame of several, which services of ours send to nodes, who all read them. */
  #bodiesOf(bytes: Uint8Array): readonly Body[] {
    const garbage: Body = { kind: "garbage" }
    if (isFrame(bytes[0])) {
      const framed = decodeFrame(bytes)
      return typeof framed === "string" ? [garbage] : framed.map(({ value }) => this.#edge(value as unknown as Body) ?? garbage)
    }
    try {
      return [this.#edge(JSON.parse(TEXT.decode(bytes)) as Body) ?? garbage]
    } catch {
      return [garbage]
    }
  }

  async hear(_now: VirtualTime, from: ActorId, body: Body): Promise<readonly Said[]> {
    this.#at.connection.publish(subjectOf(this.#spec.name, this.#id, from), JSON.stringify(body))
    await this.#settle()
    const deadline = Date.now() + ANSWER_MILLISECONDS
    const asks = body.kind === "SchedulerEvents" && this.#unanswered < UNANSWERED_MAX
    while (asks && !this.#said.some((said) => said.to === from) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, QUIET_MILLISECONDS))
    // The first ping may have been answered in the turn that read the message, before what that turn says to other nodes went out.
    await this.#settle()
    // An attach is no answer: it is said again each second of real time until a snapshot comes, so counting it would let a slow run wait for ever.
    const isAnswered = this.#said.some(({ body: { kind } }) => kind !== "SchedulerAttach")
    if (asks) this.#unanswered = isAnswered ? 0 : this.#unanswered + 1
    return this.#take()
  }

  /** All that it says at once has come. */
  async #settle(): Promise<void> {
    const { connection, service, pingId } = this.#at
    await connection.request(`$SRV.PING.${service}.${pingId}`, "", { timeout: REQUEST_MILLISECONDS })
  }

  #take(): readonly Said[] {
    const said = this.#said
    this.#said = []
    return said
  }

  nextDue(): null {
    return null
  }

  due(): Promise<readonly Said[]> {
    return Promise.resolve([])
  }

  async close(): Promise<void> {
    const { connection, instance } = this.#at
    const request = { op: "unhost", machine: this.#spec.name, actors: [this.#id] }
    await connection.request(hostSubject(instance), JSON.stringify(request), { timeout: REQUEST_MILLISECONDS }).catch(() => undefined)
    this.#ear?.unsubscribe()
  }
}
