/**
 * The scheduler's side of its streams from and commits to every node.
 *
 * Invariants: events of a node are handled in order and once; every event message is answered by a commit that has seen it; commits to
 * a node are numbered from 1 within a generation of its stream; no two streams, of whatever life of the queue's scheduler, have one
 * generation.
 */
import { closeSpan, event, send } from "@backplane/foundation-actor/effects"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Decision, SchedulerEvents } from "@backplane/schedule-contract/scheduler-messages"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { RETRY_TICKS, type Out, type SchedulerContext } from "./scheduler-context.ts"

export interface NodeLink {
  readonly node: number
  /** Of the stream: a new one for every time that we attach anew. */
  generation: number
  /** Life of the node that we are attached to; 0 before the snapshot. */
  incarnation: number
  /** Highest event message handled. */
  seen: number
  commits: number
  /** An event message waits for its answer. */
  owed: boolean
  /** Decisions of the current instant, not yet sent. */
  decisions: Decision[]
  /** Commits of which an answer may still come: number → decisions. */
  readonly sent: Map<number, readonly Decision[]>
}

/** The version of the contract that this scheduler knows. */
const CONTRACT = 2

/** Streams that a life of a scheduler may open to one node. */
const STREAMS_PER_LIFE = 1_048_576

/** Commits remembered per node for the verdicts that may come. */
const SENT_MAX = 64

export class NodeLinks {
  readonly #context: SchedulerContext
  readonly #links: NodeLink[]

  constructor(context: SchedulerContext) {
    this.#context = context
    this.#links = Array.from({ length: context.spec.topology.nodes }, (_, node) => newLink(node, context.generation * STREAMS_PER_LIFE))
  }

  get all(): readonly NodeLink[] {
    return this.#links
  }

  link(node: number): NodeLink | undefined {
    return this.#links[node]
  }

  /** Asks every node that has not answered yet for its snapshot, and again later. */
  attach(now: VirtualTime, out: Out): { readonly at: VirtualTime } | null {
    const missing = this.#links.filter((link) => link.incarnation === 0)
    for (const { node } of missing) this.introduce(node, out)
    return missing.length === 0 ? null : { at: this.#context.laterTicks(now, RETRY_TICKS) }
  }

  /** Tells one node that we hold the queue, under the policy that we know. */
  introduce(node: number, out: Out): void {
    const { epoch, queue } = this.#context
    const generation = this.#links[node]?.generation
    if (generation === undefined) return
    // Part of the trace of a restart while that is open; otherwise of the step that it answers.
    out.push(send(nodeActor(node), { kind: "SchedulerAttach", epoch, queue, generation, contract: CONTRACT }, ATTACH_SPAN))
  }

  /** Somebody knows of a policy that we have not heard of: the nodes tell how things stand. */
  introduceAll(out: Out): void {
    for (const { node } of this.#links) this.introduce(node, out)
  }

  /** Forgets what was known of a node, or of all: a new life or a new epoch begins. */
  reset(node?: number): void {
    for (const link of this.#links) {
      if (node !== undefined && link.node !== node) continue
      // A new generation: the node takes an attach of the old one for a copy, and would never send the snapshot again.
      Object.assign(link, newLink(link.node, link.generation + 1))
    }
  }

  /**
   * Whether the message is the next of its stream; `fresh` opens a new stream. A copy is answered again; a gap waits for the repeat.
   * `reborn`: a late copy of our attach has reached a new life of the node; a new stream must be opened to it.
   */
  accept(message: SchedulerEvents): "fresh" | "next" | "copy" | "gap" | "stale" | "reborn" {
    const link = this.#links[message.node]
    if (link === undefined || message.epoch !== this.#context.epoch || message.generation !== link.generation) return "stale"
    if (message.incarnation < link.incarnation) return "stale"
    if (link.incarnation > 0 && message.incarnation > link.incarnation) return "reborn"
    if (link.incarnation === 0) {
      if (message.seq !== 1) return "gap"
      link.incarnation = message.incarnation
      link.seen = 1
      link.owed = true
      return "fresh"
    }
    if (message.seq <= link.seen) {
      link.owed = true
      return "copy"
    }
    if (message.seq > link.seen + 1) return "gap"
    link.seen = message.seq
    link.owed = true
    return "next"
  }

  decide(node: number, decision: Decision): void {
    this.#links[node]?.decisions.push(decision)
  }

  /** Sends one commit to each node that waits for an answer or has decisions. */
  flush(out: Out): void {
    this.#flush(
      this.#links.filter((link) => link.owed || link.decisions.length > 0),
      out,
    )
  }

  flushNode(node: number, out: Out): void {
    this.#flush(
      this.#links.filter((link) => link.node === node),
      out,
    )
  }

  #flush(links: readonly NodeLink[], out: Out): void {
    const open = links.filter((link) => link.incarnation > 0)
    const heard = open.filter((link) => link.owed)
    for (const link of open) this.#commit(link, causeOf(link, heard), out)
    // Last, because a commit to another node may be part of one of them.
    for (const { node, commits, sent } of heard)
      out.push(closeSpan(pickSpan(node), { "backplane.reason": `${sent.get(commits)?.length ?? 0} decisions` }))
  }

  #commit(link: NodeLink, cause: string | undefined, out: Out): void {
    const { epoch, queue } = this.#context
    const { node, generation, incarnation, decisions } = link
    const commit = ++link.commits
    out.push(
      send(nodeActor(node), { kind: "SchedulerCommit", epoch, queue, generation, incarnation, commit, seen: link.seen, decisions }, cause),
    )
    if (decisions.length > 0) link.sent.set(commit, decisions)
    if (link.sent.size > SENT_MAX) link.sent.delete(link.sent.keys().next().value as number)
    link.decisions = []
    link.owed = false
  }

  /** The decisions that a verdict message is about. */
  takeSent(node: number, commit: number, out: Out): readonly Decision[] {
    const decisions = this.#links[node]?.sent.get(commit)
    if (decisions === undefined) out.push(event("message-dropped", { "backplane.reason": "verdicts of a forgotten commit" }))
    this.#links[node]?.sent.delete(commit)
    return decisions ?? []
  }
}

/**
 * The span that a commit is part of: that of the node's own events; else that of the events of another that are answered in the same
 * instant, the node of a task that it is about first. (A stolen task is told by its node, and its CPU may be another's.)
 */
function causeOf({ node, owed, decisions }: NodeLink, heard: readonly NodeLink[]): string | undefined {
  if (owed) return pickSpan(node)
  const about = decisions.flatMap((decision) => (decision.type === "RUN" ? [decision.at] : []))
  const cause = heard.find((link) => about.includes(link.node)) ?? heard[0]
  return cause === undefined ? undefined : pickSpan(cause.node)
}

function newLink(node: number, generation: number): NodeLink {
  return { node, generation, incarnation: 0, seen: 0, commits: 0, owed: false, decisions: [], sent: new Map() }
}

/** Span from the first attach of a new life to the last snapshot. */
export const ATTACH_SPAN = "attach"

/** Span between the events of a node and the commit that answers them. */
export function pickSpan(node: number): string {
  return `pick/${node}`
}
