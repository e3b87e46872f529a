/** Answers operators who want something of a VM: begun or refused with a reason. What becomes of it shows in the VM's state. */
import { send } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { checkVm } from "@backplane/scenario-machine/resolve-vms"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { VMS_MAX } from "@backplane/scenario-machine/vm-spec"
import type {
  VmControlAsk,
  VmCreateAsk,
  VmListAsk,
  VmMoveAsk,
  VmOperation,
  VmTraceAsk,
  VmState,
  VmView,
} from "@backplane/trap-contract/vm-operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { VmConsoles } from "./vm-consoles.ts"
import type { ImageStore } from "./vm-images.ts"
import type { VmLives } from "./vm-lives.ts"
import type { VmRecord, VmTable } from "./vm-table.ts"

/** Answers that are remembered, so that a repeated question does nothing twice. */
const ANSWERED_MAX = 256

/** From which states an operation may be asked for. */
const ALLOWED: Record<VmOperation, readonly VmState[]> = {
  start: ["stopped", "ended", "lost", "refused"],
  pause: ["running"],
  resume: ["paused"],
  stop: ["placing", "running", "paused"],
  destroy: ["stopped", "placing", "running", "paused", "ended", "lost", "refused", "stopping"],
}

export class VmDesk {
  readonly #context: HypervisorContext
  readonly #vms: VmTable
  readonly #lives: VmLives
  readonly #consoles: VmConsoles
  readonly #images: ImageStore
  /** By request: what was refused, null for what was begun. */
  readonly #answered = new Map<string, string | null>()

  constructor(parts: {
    readonly context: HypervisorContext
    readonly vms: VmTable
    readonly lives: VmLives
    readonly consoles: VmConsoles
    readonly images: ImageStore
  }) {
    this.#context = parts.context
    this.#vms = parts.vms
    this.#lives = parts.lives
    this.#consoles = parts.consoles
    this.#images = parts.images
  }

  onCreate(from: ActorId, { request, spec, start }: VmCreateAsk, out: Out): void {
    this.#once(request, () => this.#create({ spec, start }, out))
    this.#answer(from, { request, vm: spec.name }, out)
  }

  onControl(from: ActorId, { request, vm: name, operation }: VmControlAsk, out: Out): void {
    this.#once(request, () => this.#control(name, operation, out))
    this.#answer(from, { request, vm: name }, out)
  }

  onMove(from: ActorId, { request, vm: name, to }: VmMoveAsk, out: Out): void {
    this.#once(request, () => this.move(name, to, out))
    this.#answer(from, { request, vm: name }, out)
  }

  /** Begins it, or why not. */
  move(name: string, to: number, out: Out): string | null {
    const vm = this.#vms.get(name)
    if (vm === undefined) return `there is no VM ${name}; \`backplane vm list\` shows those there are`
    const refusal = this.#lives.moves.refusal(vm, to)
    if (refusal === null) this.#lives.moves.begin(vm, to, out)
    return refusal
  }

  /** Told once: what is lost on the way is asked for again. */
  onTrace(from: ActorId, { request, vm: name, traps }: VmTraceAsk, out: Out): void {
    this.#once(request, () => {
      const vm = this.#vms.get(name)
      if (vm === undefined) return `there is no VM ${name}`
      if (vm.state !== "running" || vm.node === null) return `${name} is ${vm.state}; its traps can be traced when it runs`
      out.push(send(nodeActor(vm.node), { kind: "VmTrace", vm: name, life: vm.life, request, traps }))
      return null
    })
    this.#answer(from, { request, vm: name }, out)
  }

  onList(from: ActorId, { request }: VmListAsk, out: Out): void {
    out.push(send(from, { kind: "VmAnswer", request, answer: "begun", reason: "", vms: this.views() }))
  }

  views(): VmView[] {
    return this.#vms.all().map((vm) => this.#view(vm))
  }

  #view({ spec, state, node, boots, reason, outcome, moved }: VmRecord): VmView {
    const move = moved === null ? {} : { move: moved }
    const console = { consoleBytes: this.#consoles.bytesOf(spec.name), inputWaiting: this.#consoles.inputOf(spec.name) }
    return { spec, state, node, life: boots, reason, outcome, ...console, ...move }
  }

  #create({ spec, start }: Pick<VmCreateAsk, "spec" | "start">, out: Out): string | null {
    if (this.#vms.get(spec.name) !== undefined) return `name: there is a VM ${spec.name} already; destroy it or take another name`
    if (this.#vms.all().length >= VMS_MAX) return `there are ${VMS_MAX} VMs; destroy one`
    try {
      checkVm(spec, this.#context.spec, "vm")
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
    for (const image of [spec.kernel, spec.disk, spec.initrd])
      if (image !== undefined && "hash" in image && this.#images.bytes(image.hash) !== image.bytes)
        return `nobody has brought the image ${image.hash.slice(0, 12)}; bring it first`
    const vm = this.#vms.add(spec)
    if (start) this.#lives.start(vm, out)
    else this.#lives.keepStopped(vm, out)
    return null
  }

  #control(name: string, operation: VmOperation, out: Out): string | null {
    const vm = this.#vms.get(name)
    if (vm === undefined) return `there is no VM ${name}`
    if (!ALLOWED[operation].includes(vm.state)) return `${name} is ${vm.state}; ${operation} needs it ${ALLOWED[operation].join(" or ")}`
    if (operation === "start") this.#lives.start(vm, out)
    else this.#lives.control(vm, WANTED[operation], out)
    return null
  }

  #once(request: string, act: () => string | null): void {
    if (this.#answered.has(request)) return
    this.#answered.set(request, act())
    if (this.#answered.size > ANSWERED_MAX) for (const oldest of this.#answered.keys()) return void this.#answered.delete(oldest)
  }

  #answer(to: ActorId, { request, vm: name }: { readonly request: string; readonly vm: string }, out: Out): void {
    const refusal = this.#answered.get(request) ?? null
    const vm = this.#vms.get(name)
    const vms = vm === undefined ? [] : [this.#view(vm)]
    const answer = refusal === null ? "begun" : "refused"
    out.push(send(to, { kind: "VmAnswer", request, answer, reason: (refusal ?? "").slice(0, 300), vms }))
  }
}

const WANTED = { pause: "paused", resume: "running", stop: "stopped", destroy: "destroyed" } as const
