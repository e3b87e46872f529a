/**
 * One life of a VM on this node: its machine, whether it may run, its console and how it ended.
 *
 * V1 of trap/vmm holds through here: a VM that is paused, has ended or is given up retires nothing. Its vCPUs are tasks (vcpu-task.ts).
 */
import { event } from "@backplane/foundation-actor/effects"
import type { EventEffect } from "@backplane/foundation-actor/machine"
import { architectureOfVm } from "@backplane/trap-vmm/architecture-state"
import type { GuestEnd, GuestOutcome } from "@backplane/compute-contract/guest-state"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { Vm, VcpuStop } from "@backplane/trap-vmm/vm"
import type { Vmm } from "@backplane/trap-vmm/vmm"
import { BusExits, type Say } from "./bus-exits.ts"
import type { SpanPart } from "./span-part.ts"
import type { TrapTap } from "./trap-tap.ts"
import { ConsoleStream, type ConsoleCapture } from "./console-stream.ts"
import type { SeededEntropy } from "./extra-devices.ts"

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
/** Of its last exits, so many in an inspection. */
const TRAPS_SHOWN = 16

export type HostedStop =
  | Exclude<VcpuStop, { kind: "end" | "stuck" }>
  /** The VM has ended or is given up. */
  | { readonly kind: "over" }
  /** Nobody takes what the guest writes. */
  | { readonly kind: "full" }

export class HostedVm {
  readonly spec: VmSpec
  readonly life: number
  readonly vm: Vm
  readonly console: ConsoleStream
  /** Null: exits are handled here. */
  readonly exits: BusExits | null
  readonly part: SpanPart | null
  readonly #vmm: Vmm
  /** By cause: exits that were counted into the metrics. */
  readonly #counted = new Map<string, number>()
  readonly #tap: TrapTap
  readonly #node: number
  readonly #say: Say
  readonly #detachDisk: (() => void) | null
  readonly #decodeText: (bytes: Uint8Array) => string
  /** Set once: how it ended. */
  #end: GuestEnd | null = null
  #isGone = false
  /** It is being moved away: its vCPUs stand still. */
  #isFrozen = false
  readonly #entropy: SeededEntropy | null
  #broughtIn = 0

  constructor(options: {
    readonly spec: VmSpec
    readonly life: number
    readonly vm: Vm
    readonly vmm: Vmm
    readonly decodeText: (bytes: Uint8Array) => string
    readonly node: number
    readonly tap: TrapTap
    /** The VM needs its disk no more; null: it has none that outlives it. */
    readonly detachDisk: (() => void) | null
    /** Takes what is to be said to the hypervisor. */
    readonly say: Say
    /** What its virtio-rng gives; null: it has none. */
    readonly entropy: SeededEntropy | null
    /** The streams of its console where it comes from another node. */
    readonly consoleBefore?: ConsoleCapture
    /** What of a VM over several nodes lies here; null: it lies on one. */
    readonly part: SpanPart | null
    readonly now: VirtualTime
  }) {
    this.spec = options.spec
    this.life = options.life
    this.vm = options.vm
    this.#vmm = options.vmm
    this.#tap = options.tap
    this.#node = options.node
    this.#say = options.say
    this.#detachDisk = options.detachDisk
    this.#decodeText = options.decodeText
    this.#entropy = options.entropy
    this.console = new ConsoleStream(options.vm.console, options.consoleBefore)
    this.exits = options.spec.trapPath === "bus" ? new BusExits(this, options.node, options.say) : null
    this.part = options.part
    this.part?.attach(this.vm, { now: options.now, isFull: () => this.console.isFull() })
  }

  /** Runs a vCPU as `Vm.runVcpu` does, within the limits of its description. */
  run(index: number, slice: { readonly budget: number; readonly waited: number; readonly work: number }): HostedStop {
    if (this.#isGone || this.#end !== null) return { kind: "over" }
    const elsewhere = this.part?.end ?? null
    if (elsewhere !== null) {
      this.console.collect()
      return this.#over(elsewhere)
    }
    if (this.#isFrozen) return { kind: "paused" }
    if (this.console.isFull()) return { kind: "full" }
    const left = (this.spec.instructionsMax ?? Infinity) - this.vm.instructions()
    if (left <= 0) return this.#over({ exit: EXIT_LIMIT, reason: "limit" })
    this.#tap.begin({ vm: this.spec.name, vcpu: index, exits: () => this.vm.ledger.exits() })
    const stop = this.vm.runVcpu(index, { ...slice, budget: Math.min(slice.budget, left) })
    this.#say(...this.#tap.end(this.#node))
    this.console.collect()
    if (stop.kind === "exit") this.exits?.ask(index)
    if (stop.kind === "end") return this.#over({ exit: stop.code, reason: stop.reason })
    return stop.kind === "stuck" ? this.#over({ exit: EXIT_LIMIT, reason: "stuck" }) : stop
  }

  /** Would a run get on with this vCPU now? */
  wouldRun(index: number): boolean {
    if (this.isOver || (this.part?.end ?? null) !== null) return true
    return !this.#isFrozen && !this.console.isFull() && this.vm.wouldRun(index)
  }

  /** No vCPU runs from now on; exits that were asked about are still answered. */
  freeze(): void {
    this.#isFrozen = true
  }

  thaw(): void {
    this.#isFrozen = false
  }

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  /** No exit of a vCPU waits for an answer. */
  get hasNoExits(): boolean {
    return this.exits === null || this.spec.cpus === this.vm.vcpus.filter(({ index }) => !this.vm.heldExits.has(index)).length
  }

  /** Bytes that its virtio-rng has given. */
  get entropyDrawn(): number {
    return this.#entropy?.drawn ?? 0
  }

  get isOver(): boolean {
    return this.#isGone || this.#end !== null
  }

  get end(): GuestEnd | null {
    return this.#end
  }

  outcome(): GuestOutcome | null {
    if (this.#end === null || this.#isGone) return null
    return {
      ...this.#end,
      instructions: this.vm.instructions(),
      console: this.#decodeText(this.console.first()),
      consoleBytes: this.console.bytes,
      state: architectureOfVm(this.vm, this.#vmm.machineSwitch),
    }
  }

  /** Pages that its vCPUs have had brought in from the swap store since they were asked last, and those of the node that went there: for them. */
  takePagesMoved(): number {
    const fresh = this.vm.memory.broughtIn - this.#broughtIn
    this.#broughtIn += fresh
    return fresh + this.#vmm.takePagesOut()
  }

  /** It is given up: its frames go back. */
  remove(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#detachDisk?.()
    this.#vmm.destroy(this.vm)
  }

  /** Its exits by cause since they were counted last, as events. */
  takeCounts(): readonly EventEffect[] {
    return this.vm.ledger.rows().flatMap(({ cause, class: exitClass, count }) => {
      const fresh = count - (this.#counted.get(cause) ?? 0)
      this.#counted.set(cause, count)
      const fields = { "backplane.vm": this.spec.name, "backplane.cause": cause, "backplane.class": exitClass, "backplane.count": fresh }
      return fresh === 0 ? [] : [event("vm-exits", fields)]
    })
  }

  inspect(): Json {
    const { spec, life, vm } = this
    return {
      vm: spec.name,
      life,
      state: this.#end !== null ? "ended" : this.#isFrozen ? "moving" : vm.state(),
      vcpus: spec.cpus,
      mode: spec.mode,
      instructions: vm.instructions(),
      timeTicks: Number(vm.time()),
      pages: vm.memory.pagesResident(),
      pagesShared: vm.memory.pagesShared(),
      pagesUnshared: vm.memory.unshared,
      pagesSwapped: vm.memory.pagesSwapped(),
      pagesBroughtIn: vm.memory.broughtIn,
      ...(vm.para !== null && { pagesGiven: vm.para.counts().pagesOut, pagesAsked: vm.para.counts().target }),
      ...(this.part !== null && { span: [...(spec.span ?? [])], pagesMoved: this.part.pages.counts() }),
      consoleBytes: this.console.bytes,
      inputTaken: this.console.taken,
      inputUnread: this.console.unread,
      exits: Object.fromEntries(vm.ledger.exits()),
      classes: vm.ledger.byClass(),
      traps: this.#tap.last(spec.name, TRAPS_SHOWN).map((each) => ({ ...each })),
    }
  }

  #over(end: GuestEnd): { readonly kind: "over" } {
    this.#end = end
    this.part?.tellEnd(end)
    return { kind: "over" }
  }
}
