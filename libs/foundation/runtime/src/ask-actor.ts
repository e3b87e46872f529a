/**
 * One question to an actor of a machine, from outside of it, said again until it is answered or nobody is patient any more.
 *
 * The bus may lose a question or its answer; actors answer a repeat of the same `request` again, and do nothing twice.
 */
import { randomUUID } from "node:crypto"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { NatsConnection } from "@nats-io/nats-core"
import { subjectOf } from "./subjects.ts"

export interface Asking {
  readonly connection: Pick<NatsConnection, "subscribe" | "publish">
  readonly machine: string
  /** Who asks: what the user of the connection may speak as. */
  readonly from: ActorId
  readonly to: ActorId
  readonly repeatMilliseconds: number
  readonly patienceMilliseconds: number
}

/** The answer with the question's `request`, or null: none came in time. Rejects where the connection is closed. */
export function askActor<Answer extends { readonly request: string }>(
  { connection, machine, from, to, repeatMilliseconds, patienceMilliseconds }: Asking,
  question: { readonly kind: string } & Readonly<Record<string, unknown>>,
): Promise<Answer | null> {
  const request = randomUUID()
  const text = JSON.stringify({ ...question, request })
  return new Promise((resolve, reject) => {
    const answers = connection.subscribe(subjectOf(machine, from, to), {
      callback: (error, message) => {
        if (error !== null) return // of the connection, whose end `say` meets
        const answer = message.json<Answer>()
        if (answer.request === request) end(() => resolve(answer))
      },
    })
    const end = (settle: () => void): void => {
      clearInterval(repeat)
      clearTimeout(patience)
      answers.unsubscribe()
      settle()
    }
    const say = (): void => {
      try {
        connection.publish(subjectOf(machine, to, from), text)
      } catch (error) {
        end(() => reject(error as Error))
      }
    }
    const repeat = setInterval(say, repeatMilliseconds)
    const patience = setTimeout(() => end(() => resolve(null)), patienceMilliseconds)
    say()
  })
}
