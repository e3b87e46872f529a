/** Talks to the memory controller and the nodes of a machine, as an operator: a question is asked again until it is answered. */
import { randomUUID } from "node:crypto"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import { subjectOf } from "@backplane/foundation-runtime/subjects"
import type { MemoryAnswer, SpaceAnswer } from "@backplane/memory-contract/memory-operator-messages"
import { MEMORY_CONTROLLER, nodeActor } from "@backplane/scenario-machine/topology"
import { CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

const REPEAT_MILLISECONDS = 500
const PATIENCE_MILLISECONDS = 10_000

type Question = { readonly kind: string } & Readonly<Record<string, unknown>>

export class MemoryClient {
  readonly #client: StackClient
  readonly #machine: string
  readonly #operator = actorId(`operator.memory-${process.pid}-${randomUUID().slice(0, 8)}`)

  constructor(client: StackClient, machine: string) {
    this.#client = client
    this.#machine = machine
  }

  /** Throws where the controller refuses. */
  async controller(question: Question): Promise<MemoryAnswer> {
    const answer = await this.#ask<MemoryAnswer>(MEMORY_CONTROLLER, question, "the memory controller")
    if (answer.answer === "refused") throw new CommandFailure("refused", answer.reason)
    return answer
  }

  async node(node: number, question: Question): Promise<SpaceAnswer> {
    const answer = await this.#ask<SpaceAnswer>(nodeActor(node), question, `node ${node}`)
    if (answer.answer === "refused") throw new CommandFailure("refused", answer.reason)
    return answer
  }

  /** All pages of a space, asked for piece by piece. */
  async map(space?: string): Promise<MemoryAnswer> {
    const first = await this.controller({ kind: "MemoryMapAsk", ...(space !== undefined && { space }) })
    const pages = [...first.pages]
    for (let next = first.next; next !== null;) {
      const more = await this.controller({ kind: "MemoryMapAsk", space, from: next })
      pages.push(...more.pages)
      next = more.next
    }
    return { ...first, pages, next: null }
  }

  async #ask<Answer extends { readonly request: string }>(to: ActorId, question: Question, who: string): Promise<Answer> {
    const request = randomUUID()
    const text = JSON.stringify({ ...question, request })
    const { connection } = this.#client
    const answers = connection.subscribe(subjectOf(this.#machine, this.#operator, to), { timeout: PATIENCE_MILLISECONDS })
    const say = (): void => connection.publish(subjectOf(this.#machine, to, this.#operator), text)
    const repeat = setInterval(say, REPEAT_MILLISECONDS)
    say()
    try {
      for await (const message of answers) {
        const answer = message.json<Answer>()
        if (answer.request === request) return answer
      }
    } catch {
      // Timed out: said below.
    } finally {
      clearInterval(repeat)
      answers.unsubscribe()
    }
    throw new CommandFailure("no-answer", `${who} of ${this.#machine} does not answer; \`backplane status\` shows the machines there are`)
  }
}
