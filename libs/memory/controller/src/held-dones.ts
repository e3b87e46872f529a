/**
 * What the home has still to tell the nodes of requests that are over: nobody waits for it, so it goes out for many pages together.
 *
 * A node that is not told repeats its notice, and is answered at once: held back for less than that takes, it costs nothing. Not here: when it
 * goes out (the controller's timer).
 */
import type { PagesDone } from "@backplane/memory-contract/coherence-messages"

/** Pages in one message; then it goes out without waiting for more. */
export const DONES_MAX = 1_024

export class HeldDones {
  /** By node and space: page, number of its request; and so on. */
  readonly #held = new Map<number, Map<string, number[]>>()
  #pages = 0

  get any(): boolean {
    return this.#pages > 0
  }

  /** True: so many are held now that they should go. */
  hold(node: number, { space, page, txn }: { readonly space: string; readonly page: number; readonly txn: number }): boolean {
    const spaces = this.#held.get(node) ?? new Map<string, number[]>()
    this.#held.set(node, spaces)
    const held = spaces.get(space)
    if (held === undefined) spaces.set(space, [page, txn])
    else held.push(page, txn)
    this.#pages += 1
    return this.#pages >= DONES_MAX
  }

  /** All of them, each once. */
  take(epoch: number): readonly { readonly node: number; readonly body: PagesDone }[] {
    const taken = [...this.#held].flatMap(([node, spaces]) =>
      [...spaces].map(([space, done]) => ({ node, body: { kind: "PagesDone" as const, space, epoch, node, done } })),
    )
    this.clear()
    return taken
  }

  /** They are of an earlier life of the home. */
  clear(): void {
    this.#held.clear()
    this.#pages = 0
  }
}
