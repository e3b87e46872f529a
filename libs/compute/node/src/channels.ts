/**
 * How far tasks have advanced the machine's channels (event counts), as far as this node knows.
 *
 * Levels only grow, so copies, old news and a task that begins again are harmless: the greatest counts. What a task here has advanced is
 * told to every other node, one batch at a time, until seen; a node with a new life asks the others for all they know.
 *
 * Limit: what was advanced by a task that ended is known to nodes only; it is lost if all that know of it go down at once.
 */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { ChannelLevel } from "@backplane/compute-contract/task-engine"
import type { ChannelAsk, ChannelLevels, ChannelLevelsSeen } from "@backplane/compute-contract/task-messages"
import { nodeActor } from "@backplane/scenario-machine/topology"
import type { NodeContext, Out } from "./node-context.ts"

type Level = ChannelLevels["levels"][number]

/** What one other node has yet to be told. */
interface Peer {
  readonly node: number
  /** By channel and task, the newest. */
  unsaid: Map<string, Level>
  /** On its way: repeated as it is until seen, so that a number means one thing. */
  batch: ChannelLevels | null
  batches: number
  whole: boolean
  /** It has not yet told this new life of ours what it knows. */
  isAsked: boolean
  sentAt: VirtualTime | null
}

export class Channels {
  readonly #context: NodeContext
  readonly #levels = new Map<string, Map<string, number>>()
  readonly #peers: readonly Peer[]

  constructor(context: NodeContext) {
    this.#context = context
    const { node, incarnation } = context
    const others = Array.from({ length: context.spec.topology.nodes }, (_, index) => index).filter((index) => index !== node)
    this.#peers = others.map((index) => ({
      node: index,
      unsaid: new Map<string, Level>(),
      batch: null,
      batches: 0,
      whole: false,
      isAsked: incarnation > 1,
      sentAt: null,
    }))
  }

  /** Channels of which nodes have not yet been told, and questions. */
  get unanswered(): number {
    return this.#peers.filter(({ batch, unsaid, isAsked }) => batch !== null || unsaid.size > 0 || isAsked).length
  }

  /** The sum over all that advance it. */
  level(channel: string): number {
    let sum = 0
    for (const level of this.#levels.get(channel)?.values() ?? []) sum += level
    return sum
  }

  /** A new life asks the others. */
  begin(now: VirtualTime, out: Out): void {
    for (const peer of this.#peers) if (peer.isAsked) this.#ask(now, peer, out)
  }

  #ask(now: VirtualTime, peer: Peer, out: Out): void {
    const { node, incarnation } = this.#context
    peer.sentAt = now
    out.push(send(nodeActor(peer.node), { kind: "ChannelAsk", node, incarnation }))
  }

  /** A task that lies here has advanced the channel. True where that is news. */
  advance(now: VirtualTime, task: string, { channel, level }: ChannelLevel, out: Out): boolean {
    if (!this.#raise({ channel, task, level })) return false
    for (const peer of this.#peers) {
      peer.unsaid.set(`${channel}/${task}`, { channel, task, level })
      this.#tell(now, peer, out)
    }
    return true
  }

  #raise({ channel, task, level }: Level): boolean {
    let levels = this.#levels.get(channel)
    if (levels === undefined) this.#levels.set(channel, (levels = new Map<string, number>()))
    if (level <= (levels.get(task) ?? 0)) return false
    levels.set(task, level)
    return true
  }

  #tell(now: VirtualTime, peer: Peer, out: Out): void {
    if (peer.batch !== null || (peer.unsaid.size === 0 && !peer.whole)) return
    const { node, incarnation } = this.#context
    const batch = ++peer.batches
    peer.batch = { kind: "ChannelLevels", node, incarnation, batch, whole: peer.whole, levels: [...peer.unsaid.values()] }
    peer.unsaid = new Map()
    peer.whole = false
    peer.sentAt = now
    out.push(send(nodeActor(peer.node), peer.batch))
  }

  /** Returns the channels that have risen. */
  onLevels(from: ActorId, { node, incarnation, batch, whole, levels }: ChannelLevels, out: Out): readonly string[] {
    out.push(send(from, { kind: "ChannelLevelsSeen", node: this.#context.node, incarnation, batch }))
    const peer = this.#peers.find((one) => one.node === node)
    if (whole && peer !== undefined) peer.isAsked = false
    return [...new Set(levels.filter((level) => this.#raise(level)).map(({ channel }) => channel))]
  }

  onSeen(now: VirtualTime, { node, incarnation, batch }: ChannelLevelsSeen, out: Out): void {
    const peer = this.#peers.find((one) => one.node === node)
    if (peer?.batch?.batch !== batch || incarnation !== this.#context.incarnation) return
    peer.batch = null
    this.#tell(now, peer, out)
  }

  /** A node has forgotten all: it is told all. */
  onAsk(now: VirtualTime, { node }: ChannelAsk, out: Out): void {
    const peer = this.#peers.find((one) => one.node === node)
    if (peer === undefined) return
    peer.batch = null
    peer.whole = true
    for (const [channel, levels] of this.#levels)
      for (const [task, level] of levels) peer.unsaid.set(`${channel}/${task}`, { channel, task, level })
    this.#tell(now, peer, out)
  }

  repeat(now: VirtualTime, out: Out): void {
    for (const peer of this.#peers) {
      if (peer.sentAt !== null && !this.#context.isOverdue(now, peer.sentAt)) continue
      if (peer.isAsked) this.#ask(now, peer, out)
      if (peer.batch === null) continue
      peer.sentAt = now
      out.push(send(nodeActor(peer.node), peer.batch))
    }
  }
}
