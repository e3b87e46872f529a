/** What the clock knows of one port. Only a record with its small rules; the clock decides. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert } from "@backplane/foundation-base/assert"
import { earlier } from "./safe-bounds.ts"
import type { Expectation, LockstepDone, LockstepGrant, LockstepHello, PortId, Roster } from "./protocol.ts"

export interface Notice extends Expectation {
  readonly earliest: VirtualTime
}

export class ClockMember {
  readonly port: PortId
  readonly incarnation: string
  /** What it hosts: by its last hello, and since when by the roster that it took over. */
  actors: LockstepHello["actors"]
  /** Everything before this is handled there. */
  through: VirtualTime
  /** Its own next input as it last said; messages on their way to it are in `notices`. */
  next: VirtualTime | null
  /** Messages for it that no grant has told it of. */
  notices: Notice[] = []
  /** The grant that it has not answered. */
  grant: LockstepGrant | null = null
  /** What its next input was when it was granted: it handles nothing earlier. Null while it does not run. */
  grantedFloor: VirtualTime | null = null
  /** What its receivers are known to have: told it with the next grant. */
  readonly acked = new Map<PortId, VirtualTime>()
  /** Messages from outside wait there. */
  external = false
  /** The roster that it is known to go by. */
  roster = 0
  /** Clock's own time when it last said anything, and when its grant was last sent. */
  heardAt: VirtualTime
  grantedAt: VirtualTime

  constructor(port: PortId, hello: LockstepHello, now: VirtualTime) {
    this.port = port
    this.incarnation = hello.incarnation
    this.actors = hello.actors
    this.through = hello.through
    this.next = hello.next
    this.heardAt = now
    this.grantedAt = now
  }

  get isRunning(): boolean {
    return this.grant !== null
  }

  /** The earliest time at which it can still handle anything. */
  get floor(): VirtualTime | null {
    return this.isRunning ? this.grantedFloor : this.nextInput()
  }

  /** Next input, counting what is on its way. */
  nextInput(): VirtualTime | null {
    return this.notices.reduce<VirtualTime | null>((least, { earliest }) => earlier(least, earliest), this.next)
  }

  hosts(actor: ActorId): boolean {
    return this.actors.some(({ id }) => id === actor)
  }

  /** Takes over the answer to its grant. Returns what it was asked to expect, which it now has. */
  done(done: LockstepDone): readonly Expectation[] {
    const { grant } = this
    assert(grant !== null && grant.number === done.number, "a done answers the open grant")
    this.grant = null
    this.grantedFloor = null
    this.through = done.through
    this.next = done.next
    if (grant.roster !== null) this.#tookOver(grant.roster)
    return grant.expect
  }

  #tookOver({ version, ports }: Roster): void {
    this.roster = version
    const own = ports.find(({ port }) => port === this.port)
    if (own !== undefined) this.actors = own.actors
  }
}
