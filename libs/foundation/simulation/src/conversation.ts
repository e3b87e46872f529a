/**
 * Golden conversations: who said what to whom, one line a message, reviewed as a diff (`scenarios/*.txt`).
 *
 * An accidental extra hop changes the count in the first line. A line: `<time sent> <from> → <to> <Kind> {fields}`, and how
 * it was lost or doubled on the way, if it was.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { SentMessage } from "./effect-carrier.ts"
import { fieldsText } from "./stable-text.ts"
import type { World } from "./world.ts"

const MESSAGES_MAX_DEFAULT = 10_000

export interface ConversationOptions {
  /** Kinds left out: heartbeats and the like. */
  readonly hide?: readonly string[]
  /** Only messages among these, where given. */
  readonly among?: readonly ActorId[]
  readonly messagesMax?: number
}

export class Conversation {
  readonly #options: ConversationOptions
  readonly #messages: SentMessage[] = []
  #dropped = 0

  constructor(options: ConversationOptions = {}) {
    this.#options = options
  }

  get messages(): readonly SentMessage[] {
    return this.#messages
  }

  hear(message: SentMessage): void {
    const { hide = [], among, messagesMax = MESSAGES_MAX_DEFAULT } = this.#options
    if (hide.includes(message.body.kind)) return
    if (among !== undefined && !(among.includes(message.from) && among.includes(message.to))) return
    if (this.#messages.length < messagesMax) this.#messages.push(message)
    else this.#dropped++
  }

  /** The conversation as text, ending with a line break. */
  text(title?: string): string {
    const count = `${this.#messages.length + this.#dropped} ${this.#messages.length + this.#dropped === 1 ? "message" : "messages"}`
    const head = title === undefined ? count : `${title}: ${count}`
    const lines = this.#messages.map(messageLine)
    if (this.#dropped > 0) lines.push(`… and ${this.#dropped} more`)
    return `${[head, ...lines].join("\n")}\n`
  }
}

/** Writes down what is said in `world` from now on. */
export function recordConversation(world: World, options: ConversationOptions = {}): Conversation {
  const conversation = new Conversation(options)
  world.onMessage((message) => {
    conversation.hear(message)
  })
  return conversation
}

export function messageLine(message: SentMessage): string {
  const fate = message.copies === 0 ? " (lost)" : message.copies > 1 ? ` (×${message.copies})` : ""
  const fields = fieldsText(message.body)
  return `${message.at} ${message.from} → ${message.to} ${message.body.kind}${fields === "{}" ? "" : ` ${fields}`}${fate}`
}
