/** Deaths of nodes, passed on by the first of several memory controllers to the others; who told it is answered when all know. */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Effect } from "@backplane/foundation-actor/machine"
import type { NodeGone, NodeGoneSeen } from "@backplane/memory-contract/memory-messages"
import { memoryController } from "@backplane/scenario-machine/topology"

interface Out {
  push(...effects: readonly Effect<NodeGone>[]): unknown
}

export class Deaths {
  readonly #others: readonly ActorId[]
  /** By controller and node: the last life that it knows to be over. */
  readonly #seen = new Map<string, number>()

  constructor(controllers: number) {
    this.#others = Array.from({ length: controllers - 1 }, (_, index) => memoryController(index + 1))
  }

  /** True: all know. Else those who do not are told (again): who told us will tell us again. */
  tell(gone: NodeGone, out: Out): boolean {
    const unaware = this.#others.filter((controller) => (this.#seen.get(`${controller}/${gone.node}`) ?? 0) < gone.incarnation)
    for (const controller of unaware) out.push(send(controller, gone))
    return unaware.length === 0
  }

  onSeen(controller: ActorId, { node, incarnation }: NodeGoneSeen): void {
    const key = `${controller}/${node}`
    this.#seen.set(key, Math.max(this.#seen.get(key) ?? 0, incarnation))
  }
}
