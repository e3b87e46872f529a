/** The virtual machines of a hypervisor: joins their lives, consoles, images and the desk where operators ask. */
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { unreachable } from "@backplane/foundation-base/assert"
import type { VmFromNode } from "@backplane/trap-contract/vm-messages"
import type { VmAsking } from "@backplane/trap-contract/vm-operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { JobStarts } from "./job-starts.ts"
import type { JobTable } from "./job-table.ts"
import type { NodeWatch } from "./node-watch.ts"
import { VmConsoles } from "./vm-consoles.ts"
import { VmDesk } from "./vm-desk.ts"
import { answerImage, type ImageStore } from "./vm-images.ts"
import { VmExits } from "./vm-exits.ts"
import { VmLives } from "./vm-lives.ts"
import { LIVE_STATES, VmTable } from "./vm-table.ts"

export class Vms {
  readonly table = new VmTable()
  readonly lives: VmLives
  readonly consoles: VmConsoles
  readonly desk: VmDesk
  readonly exits = new VmExits()
  readonly #images: ImageStore
  /** Operators bring VMs and take them away: such a machine is never over. */
  #isOpen = false

  constructor(parts: {
    readonly context: HypervisorContext
    readonly jobs: JobTable
    readonly watch: NodeWatch
    readonly starts: JobStarts
    readonly images: ImageStore
  }) {
    const { context, images } = parts
    const vms = this.table
    const consoles = new VmConsoles({ context, vms })
    this.consoles = consoles
    this.#images = images
    this.lives = new VmLives({ ...parts, vms, onLife: (vm, life) => consoles.onLife(vm, life) })
    this.desk = new VmDesk({ context, vms, lives: this.lives, consoles, images })
  }

  begin(restored: Restored, out: Out): void {
    this.lives.begin(restored, out)
  }

  get isUnderWay(): boolean {
    return this.lives.isUnderWay || this.consoles.isUnderWay
  }

  /** No VM runs or will. */
  get isOver(): boolean {
    return !this.#isOpen && this.table.all().every(({ state }) => !LIVE_STATES.has(state))
  }

  repeat(out: Out): void {
    this.lives.repeat(out)
    this.consoles.repeat(out)
  }

  onMessage(now: VirtualTime, from: ActorId, body: VmFromNode | VmAsking, out: Out): void {
    switch (body.kind) {
      case "VmPlaced":
        return this.lives.onPlaced(body, out)
      case "VmRefused":
        return this.lives.onRefused(body, out)
      case "VmControlled":
        return this.lives.onControlled(body, out)
      case "VmMoveReady":
        return this.lives.moves.onReady(body, out)
      case "VmMoveRefused":
        return this.lives.moves.onSourceRefused(body, out)
      case "VmMoveStopped":
        return this.lives.moves.onStopped(body)
      case "VmMoveTaken":
        return this.lives.moves.onTaken(body, out)
      case "VmMoveOffSeen":
        return this.lives.moves.onOffSeen(body, out)
      case "ImageAsk":
        this.lives.heardFrom(body.node)
        return answerImage(this.#images, body, out)
      case "VmOutput":
        return this.consoles.onOutput(now, from, body, out)
      case "VmInputTaken":
        return this.consoles.onTaken(body, out)
      case "VmExit":
        return this.exits.onExit(body, out)
      case "VmTraceAsk":
        return this.desk.onTrace(from, body, out)
      case "VmCreateAsk":
        this.#isOpen = true
        return this.desk.onCreate(from, body, out)
      case "VmControlAsk":
        return this.desk.onControl(from, body, out)
      case "VmMoveAsk":
        return this.desk.onMove(from, body, out)
      case "VmListAsk":
        return this.desk.onList(from, body, out)
      case "ConsoleAsk":
        return this.consoles.onAsk(now, from, body, out)
      case "ConsoleType":
        return this.consoles.onType(from, body, out)
      default:
        return unreachable(body)
    }
  }
}
