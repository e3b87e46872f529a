/**
 * The door between a machine and the store: what disks of VMs ask (trap/contract's disk-messages.ts) becomes requests, answers go back.
 *
 * Keeps nothing but what is under way: a question that comes again meanwhile is not asked twice, one that comes later is done again.
 */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { send } from "@backplane/foundation-actor/effects"
import type { Effect, Input, Machine } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { KvAnswer, Operation } from "@backplane/kv-contract/client-messages"
import type { KvMessage } from "@backplane/kv-contract/kv-messages"
import type { BlockAsk, BlockOperation, BlockTold } from "@backplane/trap-contract/disk-messages"
import type { KvRequester } from "./requester.ts"

/** Refusals that a repeat will not mend. */
const LASTING = ["unknown-bucket", "key-too-long", "value-too-large", "wrong-operation", "bad-operation", "bad-context", "bad-quorum"]
const REMEDY_MAX = 300

export class BlockDoor {
  readonly #requester: KvRequester
  readonly #tell: (to: ActorId, told: BlockTold) => void
  readonly #underWay = new Set<string>()

  constructor(requester: KvRequester, tell: (to: ActorId, told: BlockTold) => void) {
    this.#requester = requester
    this.#tell = tell
  }

  onAsk(now: VirtualTime, from: ActorId, { request, operation }: BlockAsk): readonly Effect<KvMessage>[] {
    const name = `${from}/${request}`
    if (this.#underWay.has(name)) return []
    this.#underWay.add(name)
    const done = (answer: KvAnswer): void => {
      this.#underWay.delete(name)
      this.#tell(from, toldOf(request, answer))
    }
    return this.#requester.ask(now, { operation: operationOf(operation), done })
  }
}

function operationOf(operation: BlockOperation): Operation {
  return operation
}

function toldOf(request: string, answer: KvAnswer): BlockTold {
  if (answer.ok) {
    const swapped = answer.swapped === undefined ? {} : { swapped: answer.swapped }
    return { kind: "BlockTold", request, outcome: "done", values: [...answer.values], ...swapped }
  }
  const outcome = LASTING.includes(answer.reason) ? "refused" : "again"
  return { kind: "BlockTold", request, outcome, values: [], remedy: `${answer.reason}: ${answer.remedy}`.slice(0, REMEDY_MAX) }
}

/** The door as an actor of its own, where machine and store speak on one bus: in the simulator. */
export class BlockDoorMachine implements Machine<BlockAsk | KvMessage, BlockTold | KvMessage> {
  readonly #requester: KvRequester
  readonly #door: BlockDoor
  #out: Effect<BlockTold | KvMessage>[] = []

  constructor(requester: KvRequester) {
    this.#requester = requester
    this.#door = new BlockDoor(requester, (to, told) => void this.#out.push(send(to, told)))
  }

  start(): readonly [] {
    return []
  }

  step(now: VirtualTime, input: Input<BlockAsk | KvMessage>): readonly Effect<BlockTold | KvMessage>[] {
    if (input.kind === "message" && input.body.kind === "BlockAsk") this.#out.push(...this.#door.onAsk(now, input.from, input.body))
    else this.#out.push(...this.#requester.step(now, input as Input<KvMessage>))
    this.#out.push(...this.#requester.settle(now))
    const out = this.#out
    this.#out = []
    return out
  }
}
