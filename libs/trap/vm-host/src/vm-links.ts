/**
 * What this node's part of a VM says to its parts at other nodes, over a bus that loses, doubles and reorders: numbered by receiver, said again until
 * it is seen, handed on in order and once. Pure. Whether a node lives is the hypervisor's business: nothing here is given up.
 */
import { LINK_WAITING_MAX, type LinkBody, type VmLink, type VmLinkSeen } from "@backplane/trap-contract/vm-span-messages"

export interface VmLinksPort {
  readonly vm: string
  readonly life: number
  readonly node: number
  say(to: number, body: VmLink | VmLinkSeen): void
  /** In the order in which it was said. */
  onBody(from: number, body: LinkBody): void
  /** More waits for that node than it can ever have been asked for. */
  onFull(to: number): void
}

interface Outgoing {
  next: number
  /** Not seen yet, in order. */
  kept: VmLink[]
}

interface Incoming {
  /** The number that is handed on next. */
  next: number
  readonly early: Map<number, LinkBody>
}

export class VmLinks {
  readonly #port: VmLinksPort
  readonly #outgoing = new Map<number, Outgoing>()
  readonly #incoming = new Map<number, Incoming>()

  constructor(port: VmLinksPort) {
    this.#port = port
  }

  get unseen(): number {
    let count = 0
    for (const { kept } of this.#outgoing.values()) count += kept.length
    return count
  }

  send(to: number, body: LinkBody): void {
    const { vm, life, node } = this.#port
    const outgoing = this.#outgoing.get(to) ?? { next: 1, kept: [] }
    this.#outgoing.set(to, outgoing)
    if (outgoing.kept.length >= LINK_WAITING_MAX) return this.#port.onFull(to)
    const link: VmLink = { kind: "VmLink", vm, life, node, number: outgoing.next++, body }
    outgoing.kept.push(link)
    this.#port.say(to, link)
  }

  repeat(): void {
    for (const [to, { kept }] of this.#outgoing) for (const link of kept) this.#port.say(to, link)
  }

  hear(link: VmLink | VmLinkSeen): void {
    if (link.kind === "VmLink") return this.#onLink(link)
    const outgoing = this.#outgoing.get(link.node)
    if (outgoing !== undefined) outgoing.kept = outgoing.kept.filter(({ number }) => number >= link.below)
  }

  #onLink({ node: from, number, body }: VmLink): void {
    const incoming = this.#incoming.get(from) ?? { next: 1, early: new Map<number, LinkBody>() }
    this.#incoming.set(from, incoming)
    if (number >= incoming.next && number < incoming.next + LINK_WAITING_MAX) incoming.early.set(number, body)
    for (let next = incoming.early.get(incoming.next); next !== undefined; next = incoming.early.get(incoming.next)) {
      incoming.early.delete(incoming.next)
      incoming.next += 1
      this.#port.onBody(from, next)
    }
    const { vm, life, node } = this.#port
    this.#port.say(from, { kind: "VmLinkSeen", vm, life, node, below: incoming.next })
  }
}
