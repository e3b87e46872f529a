/**
 * The virtual machine monitor of one node: several VMs on its CPUs and in its memory, each apart from the others.
 *
 * Frames are promised when a VM is made (its RAM and the VMM's tables) and given at first touch. CPU time is given in slices, by
 * weight; who waits is passed over. Not here: policies (the scheduler's), the bus.
 * M1: what is promised never exceeds the frames and the room for pages in the swap store. M2: no tree of a VM has a leaf outside its own frames and the devices (audit.ts).
 */
import { assert } from "@backplane/foundation-base/assert"
import { mmuFramesMax } from "./address-spaces.ts"
import { MachineFrames, PAGE_BYTES } from "./machine-frames.ts"
import { FrameSwap, type SwapCounts, type SwapStore } from "./frame-swap.ts"
import { PageSharing } from "./page-sharing.ts"
import { SharedFrames, type SharingCounts } from "./shared-frames.ts"
import { MachineSwitch } from "./machine-switch.ts"
import { Vm } from "./vm.ts"
import { VmTurns } from "./vm-turns.ts"
import { WorkMeter } from "./work-meter.ts"
import type { Engine } from "@backplane/compute-contract/engine"
import type { ExitRecorder } from "./exit-recorder.ts"
import type { FrameQuota } from "./hypercalls.ts"
import type { PhysicalMap } from "./physical-map.ts"
import type { VmPart } from "./vm-part.ts"
import type { VmCapture } from "@backplane/trap-contract/vm-capture"
import type { OnWait, Planted, VmOptions, VmPlace, VmStop, WorkLimit } from "./vm-types.ts"

/** What of a VM's options its memory depends on. */
export type VmShape = Pick<VmOptions, "memoryBytes" | "vcpus" | "mmu">

/** Machine memory that a VM of this shape needs: its RAM and room for the VMM's tables. */
export function machineBytesFor(shape: VmShape): number {
  return framesFor(shape) * PAGE_BYTES
}

function framesFor(shape: VmShape): number {
  return shape.memoryBytes / PAGE_BYTES + mmuFramesMax(shape)
}

/** Where pages go when frames are short, and for how many there is room. */
export interface VmmSwap {
  readonly store: SwapStore
  readonly slots: number
}

/** Of the frames the VMM's tables may have so many, where pages may lie elsewhere: they themselves cannot. */
const TABLES_SHARE = 0.5

export interface VmmMemoryView {
  /** Of the machine memory that VMs and the VMM's tables lie in. */
  readonly frames: number
  readonly free: number
  /** To VMs, whether they have touched them or not. */
  readonly promised: number
  readonly sharing: SharingCounts
  /** Null: there is none. */
  readonly swap: SwapCounts | null
}

export class Vmm {
  readonly engine: Engine
  readonly frames: MachineFrames
  readonly machineSwitch: MachineSwitch
  /** Frames in which equal pages lie. */
  readonly shared: SharedFrames
  readonly #sharing: PageSharing
  /** Null: every page that is promised has a frame. */
  readonly #swap: FrameSwap | null
  readonly #swapSlots: number
  readonly #work = new WorkMeter()
  /** By VM: frames of its tables, which are among those kept for it. */
  readonly #tables = new Map<number, number>()
  readonly #vms = new Map<number, Vm>()
  /** By VM: frames kept for it. */
  readonly #promised = new Map<number, number>()
  #nextNumber = 1
  readonly #turns = new VmTurns()

  readonly #recorder: ExitRecorder | null

  /** `recorder`: told of every exit of every VM. `swap`: the node may promise as many pages more as there is room for. */
  constructor(engine: Engine, { recorder = null, swap }: { readonly recorder?: ExitRecorder | null; readonly swap?: VmmSwap } = {}) {
    this.engine = engine
    this.#recorder = recorder
    this.frames = new MachineFrames(engine)
    this.machineSwitch = new MachineSwitch(engine)
    this.shared = new SharedFrames(engine, this.frames)
    const memories = (): readonly PhysicalMap[] => this.vms().map(({ memory }) => memory)
    this.#sharing = new PageSharing(this.shared, memories)
    this.#swapSlots = swap?.slots ?? 0
    this.#swap = swap === undefined ? null : new FrameSwap({ ...swap, frames: this.frames, memories, work: this.#work })
    this.frames.observeShortage(() => this.#swap?.makeRoom())
  }

  /** Has pages go to the swap store until so many frames are free, those first that were not used for longest; with `work` no further than that takes. The number that went. */
  reclaim(free: number, limit: WorkLimit = {}): number {
    return this.#swap?.reclaim(free, limit) ?? 0
  }

  /** Pages of its VMs that went to the swap store since this was asked last: who had room made waits until they are written. */
  takePagesOut(): number {
    return this.#swap?.takeOuts() ?? 0
  }

  /** May it promise more than it has frames? */
  get canSwap(): boolean {
    return this.#swap !== null
  }

  /** What its VMs have cost the host besides their instructions, by work-meter.ts. */
  get workBeside(): number {
    return this.#work.beside
  }

  /** What its memory is used for. */
  memoryView(): VmmMemoryView {
    const frames = this.engine.options.memoryBytes / PAGE_BYTES
    const promised = frames + this.#swapSlots - this.framesLeft()
    return { frames, free: this.frames.free(), promised, sharing: this.shared.counts(), swap: this.#swap?.counts() ?? null }
  }

  /** Looks at the next so many pages of all VMs: equal ones lie in one frame from then on, until they are written. The number that came to. */
  shareEqualPages(pagesMax: number): number {
    return this.#sharing.look(pagesMax)
  }

  /** How many frames a new VM can still be promised. */
  framesLeft(): number {
    const promised = [...this.#promised.values()].reduce((sum, frames) => sum + frames, 0)
    return this.engine.options.memoryBytes / PAGE_BYTES + this.#swapSlots - promised
  }

  /** Null: the node has too little memory left. */
  create(options: VmOptions, planted: Planted = {}): Vm | null {
    const number = this.reserve(options)
    return number === null ? null : this.#make(number, options, { planted })
  }

  /** This node's part of a VM that lies on several; it may come to have all of its pages here. Null as `create`. */
  createPart(options: VmOptions, part: VmPart): Vm | null {
    const number = this.reserve(options)
    return number === null ? null : this.#make(number, options, { part })
  }

  /** Promises the memory of a VM of that shape, which comes later. Its number, or null: the node has too little left. */
  reserve(shape: VmShape): number | null {
    const needed = framesFor(shape)
    const tables = mmuFramesMax(shape)
    if (needed > this.framesLeft() || !this.#hasRoomForTables(tables)) return null
    const number = this.#nextNumber
    this.#nextNumber += 1
    this.#promised.set(number, needed)
    this.#tables.set(number, tables)
    return number
  }

  /** It does not come. */
  release(reserved: number): void {
    assert(!this.#vms.has(reserved), "the VM did not come")
    this.#promised.delete(reserved)
    this.#tables.delete(reserved)
  }

  /** The VM that comes goes on where the one of this capture left off, once its pages are written. */
  goOn(reserved: number, options: VmOptions, restored: VmCapture): Vm {
    assert(this.#promised.has(reserved), "its memory was promised")
    return this.#make(reserved, options, { restored })
  }

  #make(number: number, options: VmOptions, how: Pick<VmPlace, "planted" | "restored" | "part">): Vm {
    assert(Number.isInteger(options.vcpus) && options.vcpus >= 1, "a VM has at least one vCPU")
    const { engine, frames, machineSwitch } = this
    const recorder = this.#recorder === null ? {} : { recorder: this.#recorder }
    const vm = new Vm(
      {
        engine,
        frames,
        machineSwitch,
        number,
        work: this.#work,
        quota: this.#quotaOf(number),
        paging: { shared: this.shared, ...(this.#swap && { swap: this.#swap }), coherent: how.part !== undefined },
        ...recorder,
        ...how,
      },
      options,
    )
    this.#vms.set(number, vm)
    return vm
  }

  destroy(vm: Vm): void {
    vm.destroy()
    this.#vms.delete(vm.number)
    this.#turns.forget(vm)
    this.#promised.delete(vm.number)
    this.#tables.delete(vm.number)
  }

  #hasRoomForTables(more: number): boolean {
    if (this.#swap === null) return true
    const tables = [...this.#tables.values()].reduce((sum, frames) => sum + frames, more)
    return tables <= (this.engine.options.memoryBytes / PAGE_BYTES) * TABLES_SHARE
  }

  /** What a VM gives back is promised to it no more; it may be promised to others. */
  #quotaOf(number: number): FrameQuota {
    const promise = (more: number): void => void this.#promised.set(number, (this.#promised.get(number) ?? 0) + more)
    return {
      giveBack: (frames) => promise(-frames),
      claim: (frames) => {
        if (frames > this.framesLeft()) return false
        promise(frames)
        return true
      },
    }
  }

  vms(): readonly Vm[] {
    return [...this.#vms.values()]
  }

  /**
   * Gives a slice to the VM that has had least by its weight. Who waits or polls leaves the CPU to the others for as long; when all do, the
   * next goes on to its timer at once, since its time is its own. Null: none can run, all are paused, ended, idle or stuck.
   */
  runNext(sliceInstructions: number): { readonly vm: Vm; readonly stop: VmStop } | null {
    return this.#runFirst(sliceInstructions, "yield") ?? this.#runFirst(sliceInstructions, "skip")
  }

  #runFirst(sliceInstructions: number, onWait: OnWait): { readonly vm: Vm; readonly stop: VmStop } | null {
    for (const vm of this.#turns.inOrder(this.vms())) {
      if (vm.state() !== "running" || vm.end() !== null) continue
      const before = vm.instructions()
      const stop = vm.run(sliceInstructions, onWait)
      const ran = vm.instructions() - before
      if (ran > 0) for (const other of this.#vms.values()) if (other !== vm) other.othersRan(ran)
      if (stop.kind === "polling" || (stop.kind !== "end" && ran === 0)) continue
      this.#turns.ran(vm, ran)
      return { vm, stop }
    }
    return null
  }
}
