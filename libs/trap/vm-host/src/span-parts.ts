/** The parts of VMs over several nodes that lie on this one: hands on what is said of their pages and between them. */
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmPages, VmSaid } from "@backplane/trap-contract/vm-host"
import { SpanPart } from "./span-part.ts"
import type { SpacePages, Spaces } from "./space-port.ts"

const CLOCK = "/clock"
const HOLDS = "/holds"
const PREFIX = "pages/"

export interface SpanPartsOptions {
  readonly node: number
  /** Null: this node shares no memory. */
  readonly spaces: Spaces | null
  readonly say: (...said: readonly VmSaid[]) => void
}

export class SpanParts {
  readonly #options: SpanPartsOptions
  /** By space. */
  readonly #parts = new Map<string, SpanPart>()
  #now = virtualTime(0)

  constructor(options: SpanPartsOptions) {
    this.#options = options
  }

  get now(): VirtualTime {
    return this.#now
  }

  /** This node's part of a VM that lies on several; null: it lies on one. */
  make(spec: VmSpec, life: number, onLost: (reason: string) => void): SpanPart | null {
    if (spec.span === undefined) return null
    const { node, spaces, say } = this.#options
    assert(spaces !== null, "a node whose VMs lie on several has its memory shared")
    const part = new SpanPart({ spec, life, node, spaces, say, onLost })
    part.at(this.#now)
    return part
  }

  /** Its VM is made. */
  add(part: SpanPart): void {
    this.#parts.set(part.space, part)
  }

  drop({ space }: SpanPart): void {
    this.#parts.delete(space)
  }

  at(now: VirtualTime): void {
    this.#now = now
    for (const part of this.#parts.values()) part.at(now)
  }

  hearPages(from: ActorId, body: VmPages): void {
    if (body.kind === "PagesAsk") {
      const pages = [...this.#parts.values()].flatMap((part): SpacePages[] => {
        const held = part.pages.asked(from, body)
        return held === null ? [] : [held]
      })
      for (const report of reportsOf(this.#options, body.epoch, pages)) this.#options.say(send(from, report))
    } else if (body.kind === "PagesGone") for (const part of this.#parts.values()) part.pages.hear(from, body)
    else this.#parts.get(body.space)?.pages.hear(from, body)
  }

  onTimer(key: string): void {
    const space = key.slice(PREFIX.length)
    if (space.endsWith(HOLDS)) return // it is looked at in every step
    if (space.endsWith(CLOCK)) this.#parts.get(space.slice(0, -CLOCK.length))?.onClock()
    else this.#parts.get(space)?.pages.onTimer()
  }

  /** What they have to say at the end of a step. */
  takeSaid(): readonly VmSaid[] {
    return this.#parts.size === 0 ? NOTHING : [...this.#parts.values()].flatMap((part) => [...part.takeSaid()])
  }

  get unanswered(): number {
    let count = 0
    for (const part of this.#parts.values()) count += part.unanswered
    return count
  }

  repeat(): void {
    for (const part of this.#parts.values()) part.repeat()
  }
}

const NOTHING: readonly VmSaid[] = []

/** A node without any such memory says so. */
function reportsOf({ node, spaces }: SpanPartsOptions, epoch: number, pages: readonly SpacePages[]): ReturnType<Spaces["reports"]> {
  return spaces?.reports(epoch, pages) ?? [{ kind: "PagesReport", node, epoch, part: 0, parts: 1, spaces: [] }]
}
