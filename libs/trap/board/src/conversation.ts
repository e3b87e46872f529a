/** A conversation at a guest's console, step by step: waits for what the guest writes, types what it shall read. */

export type ConversationStep = { readonly kind: "expect"; readonly text: string } | { readonly kind: "type"; readonly text: string }

export class Conversation {
  readonly #steps: readonly ConversationStep[]
  readonly #type: (text: string) => void
  #next = 0
  /** What the guest wrote since the last expectation that was met. */
  #unread = ""

  constructor(steps: readonly ConversationStep[], type: (text: string) => void) {
    this.#steps = steps
    this.#type = type
    this.#go()
  }

  hear(text: string): void {
    this.#unread += text
    this.#go()
  }

  /** Steps were given, and all of them are done. */
  done(): boolean {
    return this.#steps.length > 0 && this.#next === this.#steps.length
  }

  /** How many steps are done. Two expectations may have the same text, so this and not the text tells whether something happened. */
  progress(): number {
    return this.#next
  }

  /** What is waited for, or null. */
  waitsFor(): string | null {
    return this.#steps[this.#next]?.text ?? null
  }

  #go(): void {
    for (let step = this.#steps[this.#next]; step !== undefined; step = this.#steps[this.#next]) {
      if (step.kind === "type") this.#type(`${step.text}\n`)
      else {
        const at = this.#unread.indexOf(step.text)
        if (at < 0) return
        this.#unread = this.#unread.slice(at + step.text.length)
      }
      this.#next += 1
    }
  }
}
