/** Talks to the memory controller and the nodes of a machine, as an operator: a question is asked again until it is answered. */
import { randomUUID } from "node:crypto"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { askActor } from "@backplane/foundation-runtime/ask-actor"
import { joined } from "@backplane/memory-contract/join-answers"
import type { MemoryAnswer, SpaceAnswer } from "@backplane/memory-contract/memory-operator-messages"
import { controllerOfPage, memoryController, nodeActor } from "@backplane/scenario-machine/topology"
import { CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

const REPEAT_MILLISECONDS = 500
const PATIENCE_MILLISECONDS = 10_000

/** Of the machine memory of a node that its VMs lie in, as the node says. */
export interface VmMemory {
  readonly node: number
  readonly frames: number
  readonly free: number
  readonly promised: number
  readonly swap: { readonly pages: number; readonly slots: number; readonly outs: number; readonly ins: number } | null
  readonly sharing: { readonly frames: number; readonly pages: number; readonly saved: number; readonly broken: number }
}

type Question = { readonly kind: string } & Readonly<Record<string, unknown>>

export class MemoryClient {
  readonly #client: StackClient
  readonly #machine: string
  /** How many memory controllers the machine has; null: not told yet. */
  #controllers: number | null = null
  readonly #operator = actorId(`operator.memory-${process.pid}-${randomUUID().slice(0, 8)}`)

  constructor(client: StackClient, machine: string) {
    this.#client = client
    this.#machine = machine
  }

  /** Asks the controller of this number; throws where it refuses. */
  async controller(question: Question, index = 0): Promise<MemoryAnswer> {
    return done(await this.#answerOf(question, index))
  }

  async #answerOf(question: Question, index: number): Promise<MemoryAnswer> {
    const answer = await this.#ask<MemoryAnswer>(memoryController(index), question, `memory controller ${index}`)
    this.#controllers = answer.controllers
    return answer
  }

  /** The controller that is home to the page of the question. */
  async homeOf(question: Question & { readonly page: number }): Promise<MemoryAnswer> {
    const home = (): number => controllerOfPage({ memory: { swapPages: 0, controllers: this.#controllers ?? 1 } }, question.page)
    const asked = home()
    const answer = await this.#answerOf(question, asked)
    // The wrong one knows nothing of the page, but how many there are.
    return home() === asked ? done(answer) : this.controller(question, home())
  }

  /** All of them, one after the other. */
  async everyController(question: Question): Promise<readonly MemoryAnswer[]> {
    const first = await this.controller(question)
    const answers = [first]
    for (let index = 1; index < first.controllers; index++) answers.push(await this.controller(question, index))
    return answers
  }

  async node(node: number, question: Question): Promise<SpaceAnswer> {
    const answer = await this.#ask<SpaceAnswer>(nodeActor(node), question, `node ${node}`)
    if (answer.answer === "refused") throw new CommandFailure("refused", answer.reason)
    return answer
  }

  /** By node: what the frames of its VMs are used for; those that had none yet, or do not answer, are left out. */
  async vmMemory(nodes: MemoryAnswer["nodes"]): Promise<readonly VmMemory[]> {
    const all: VmMemory[] = []
    for (const { node, dead } of nodes) {
      if (dead) continue
      const view = (await this.#client.inspect(this.#machine, nodeActor(node))) as {
        readonly vms?: { readonly memory?: Json } | null
      } | null
      const memory = view?.vms?.memory ?? null
      if (memory !== null) all.push({ node, ...(memory as unknown as Omit<VmMemory, "node">) })
    }
    return all
  }

  /** What all controllers know, as one: all pages of a space, asked for piece by piece. */
  async map(space?: string): Promise<MemoryAnswer> {
    const question = { kind: "MemoryMapAsk", ...(space !== undefined && { space }) }
    const parts: MemoryAnswer[] = []
    let controllers = 1
    let unknown: CommandFailure | null = null
    for (let index = 0; index < controllers; index++) {
      const first = await this.#part(question, index)
      if (first instanceof CommandFailure) unknown = first
      else {
        controllers = first.controllers
        parts.push(first)
      }
      if (index === 0 && first instanceof CommandFailure) controllers = (await this.controller({ kind: "MemoryMapAsk" })).controllers
    }
    // Of a space that has touched few pages not every controller knows.
    const [first, ...others] = parts
    if (first === undefined) throw unknown ?? new CommandFailure("no-answer", "no memory controller knows of it")
    return others.reduce(joined, first)
  }

  /** Of one controller, with all its pages; a failure where it does not know the space. */
  async #part(question: Question, index: number): Promise<MemoryAnswer | CommandFailure> {
    const answer = await this.controller(question, index).catch((error: unknown) => {
      if (error instanceof CommandFailure && error.kind === "refused") return error
      throw error
    })
    if (answer instanceof CommandFailure) return answer
    const pages = [...answer.pages]
    for (let next = answer.next; next !== null;) {
      const more = await this.controller({ ...question, from: next }, index)
      pages.push(...more.pages)
      next = more.next
    }
    return { ...answer, pages, next: null }
  }

  async #ask<Answer extends { readonly request: string }>(to: ActorId, question: Question, who: string): Promise<Answer> {
    const times = { repeatMilliseconds: REPEAT_MILLISECONDS, patienceMilliseconds: PATIENCE_MILLISECONDS }
    const asking = { connection: this.#client.connection, machine: this.#machine, from: this.#operator, to, ...times }
    const answer = await askActor<Answer>(asking, question)
    if (answer !== null) return answer
    throw new CommandFailure("no-answer", `${who} of ${this.#machine} does not answer; \`backplane status\` shows the machines there are`)
  }
}

function done(answer: MemoryAnswer): MemoryAnswer {
  if (answer.answer === "refused") throw new CommandFailure("refused", answer.reason)
  return answer
}
