/**
 * A node's questions to the store for its disks: each repeated until answered, at most so many under way, the rest in order behind them.
 */
import type { BlockAsk, BlockOperation, BlockTold } from "@backplane/trap-contract/disk-messages"

/** Questions under way at a time. */
const UNDER_WAY_MAX = 128

type Done = (told: BlockTold) => void

interface Asked {
  readonly operation: BlockOperation
  readonly done: Done
}

export class BlockLine {
  /** Names this life of the node, so that an answer to an earlier one is known. */
  readonly #life: string
  readonly #say: (ask: BlockAsk) => void
  readonly #underWay = new Map<string, Asked>()
  readonly #waiting: Asked[] = []
  #asked = 0

  constructor(life: string, say: (ask: BlockAsk) => void) {
    this.#life = life
    this.#say = say
  }

  get unanswered(): number {
    return this.#underWay.size
  }

  ask(operation: BlockOperation, done: Done): void {
    this.#waiting.push({ operation, done })
    this.#goOn()
  }

  onTold(told: BlockTold): void {
    const asked = this.#underWay.get(told.request)
    if (asked === undefined || told.outcome === "again") return // the next repeat asks again
    this.#underWay.delete(told.request)
    asked.done(told)
    this.#goOn()
  }

  repeat(): void {
    for (const [request, { operation }] of this.#underWay) this.#say({ kind: "BlockAsk", request, operation })
  }

  #goOn(): void {
    while (this.#underWay.size < UNDER_WAY_MAX) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      const request = `${this.#life}.${this.#asked++}`
      this.#underWay.set(request, next)
      this.#say({ kind: "BlockAsk", request, operation: next.operation })
    }
  }
}
