/**
 * The VMs of one node: makes them once their images are here, opens their vCPUs as tasks, carries consoles, ends them.
 *
 * Not here: which VM runs where and when (trap/hypervisor, the schedulers), what an exit means (trap/vmm). README.md has the invariants.
 */
import { assert, defined, unreachable } from "@backplane/foundation-base/assert"
import { leavesRoomForDeviceTree } from "@backplane/trap-board/boot"
import type { EngineTask, TaskProgress } from "@backplane/compute-contract/task-engine"
import type { TaskSpec } from "@backplane/compute-contract/task-messages"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { Restored } from "@backplane/foundation-actor/machine"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import type { Json } from "@backplane/foundation-base/json"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { Vm } from "@backplane/trap-vmm/vm"
import type { VmMoveIn } from "@backplane/trap-contract/vm-move-messages"
import { vmModeProblem, type ImageRef } from "@backplane/scenario-machine/vm-spec"
import type { BlockTold } from "@backplane/trap-contract/disk-messages"
import type { VmHost, VmHostPlace, VmPages, VmSaid } from "@backplane/trap-contract/vm-host"
import type { ImageChunk, ImageUnknown, VmControl, VmFromNode, VmPlace, VmToNode, VmTrace } from "@backplane/trap-contract/vm-messages"
import { Arrivals } from "./arrivals.ts"
import { ArrivingVm, type ArrivingState } from "./arriving-vm.ts"
import type { ConsoleCapture } from "./console-stream.ts"
import { Departures } from "./departures.ts"
import { entropyOf, type SeededEntropy } from "./extra-devices.ts"
import { HostedVm } from "./hosted-vm.ts"
import { ImageCache } from "./image-cache.ts"
import type { HostParts } from "./host-parts.ts"
import { NodeMemory } from "./node-memory.ts"
import { NodeVmm } from "./node-vmm.ts"
import { NodeDisks, type Attached } from "./node-disks.ts"
import { TrapTap } from "./trap-tap.ts"
import { SpanParts } from "./span-parts.ts"
import type { SpanPart } from "./span-part.ts"
import { VcpuTask } from "./vcpu-task.ts"
import { vmOptionsOf } from "./vm-options.ts"

/** A VM that waits for its images. */
type Placing = Pick<VmPlace, "vm" | "life" | "firstLife">

export class NodeVms implements VmHost {
  readonly #spec: MachineSpec
  readonly #place: VmHostPlace
  readonly #parts: HostParts
  readonly #images: ImageCache
  readonly #vmm: NodeVmm
  readonly #hosted = new Map<string, HostedVm>()
  readonly #placing = new Map<string, Placing>()
  readonly #disks: NodeDisks
  readonly #departures: Departures
  readonly #arrivals: Arrivals
  readonly #spans: SpanParts
  /** By VM: why its life could not begin here. */
  readonly #refused = new Map<string, { readonly life: number; readonly reason: string }>()
  /** By VM: lives up to this one are over here. */
  readonly #over = new Map<string, number>()
  /** What was to be seen last of VMs that are over here. */
  readonly #ended = new Map<string, Json>()
  readonly #tasks = new Set<VcpuTask>()
  #repeats = 0
  readonly #memory: NodeMemory
  readonly #tap: TrapTap
  #traced = ""
  #says: VmSaid[] = []
  #sayings = 0

  constructor(spec: MachineSpec, place: VmHostPlace, parts: HostParts) {
    this.#spec = spec
    this.#place = place
    this.#parts = parts
    this.#images = new ImageCache(parts.digest)
    this.#disks = new NodeDisks({
      ...{ machine: spec.name, ...place },
      say: (said) => void this.#says.push(said.kind === "persist" ? said : { body: said }),
      onOpened: (vm, refusal) => this.#onDisk(vm, refusal),
      onAnswered: (vm) => this.#hosted.get(vm)?.vm.written(),
    })
    this.#memory = new NodeMemory(spec, { node: place.node, vmm: () => this.#vmm.made })
    this.#tap = new TrapTap(parts.makeRing ?? null)
    this.#vmm = new NodeVmm(spec, { node: place.node, parts, recorder: this.#tap })
    const { node } = place
    const say = (...said: readonly VmSaid[]): void => void this.#says.push(...said)
    this.#spans = new SpanParts({ node, say, spaces: parts.makeSpaces?.() ?? null })
    this.#departures = new Departures({ node, disks: this.#disks, hosted: (of) => this.#of(of), say })
    this.#arrivals = new Arrivals({
      ...{ node, say },
      reserve: ({ vm }) => this.#vmm.reserve(vm),
      make: (arriving, state) => this.#goOn(arriving, state),
      giveBack: (arriving) => this.#giveBack(arriving),
      takeDisk: (arriving, done) => this.#disks.take(arriving, done),
    })
  }

  at(now: VirtualTime): void {
    this.#spans.at(now)
  }

  hearPages(from: ActorId, body: VmPages): void {
    this.#spans.hearPages(from, body)
  }

  onTimer(key: string): void {
    this.#spans.onTimer(key)
  }

  restore(restored: Restored): void {
    this.#disks.restore(restored)
  }

  onPersisted(key: string): void {
    this.#disks.onPersisted(key)
  }

  hear(body: VmToNode | BlockTold): void {
    switch (body.kind) {
      case "BlockTold":
        return this.#disks.onTold(body)
      case "VmPlace":
        return this.#onPlace(body)
      case "VmControl":
        return this.#onControl(body)
      case "ImageChunk":
        return this.#onChunk(body)
      case "ImageUnknown":
        return this.#onUnknown(body)
      case "VmEntry":
        return this.#of(body)?.exits?.onEntry(body)
      case "VmTrace":
        return this.#onTrace(body)
      case "VmMoveIn":
        return this.#onMoveIn(body)
      case "VmLink":
      case "VmLinkSeen":
        return this.#of(body)?.part?.hearLink(body)
      case "VmPart":
        return this.#arrivals.onPart(body)
      case "VmMoveOut":
        return this.#departures.onMoveOut(body)
      case "VmPartAsk":
        return this.#departures.onPartAsk(body)
      case "VmMoveOff":
        return this.#departures.onMoveOff(body)
      case "VmOutputSeen":
        return this.#of(body)?.console.onSeen(body.upTo)
      case "VmInput": {
        const hosted = this.#of(body)
        if (hosted === null || this.#departures.isLoaded(body.vm)) return // where it goes to it is typed again
        hosted.console.onInput(body.offset, body.data)
        return this.#say({ kind: "VmInputTaken", vm: body.vm, life: body.life, upTo: hosted.console.taken })
      }
      default:
        return unreachable(body)
    }
  }

  say(): readonly VmSaid[] {
    this.#sayings++
    this.#departures.look()
    for (const hosted of this.#hosted.values()) {
      if (hosted.part !== null) hosted.console.collect() // vCPUs elsewhere write, too
      this.#sayOutput(hosted, "new")
      if (this.#sayings % COUNTED_EVERY === 0) this.#says.push(...hosted.takeCounts())
    }
    if (this.#sayings % COUNTED_EVERY === 0) this.#says.push(...this.#memory.takeCounts())
    this.#says.push(...this.#spans.takeSaid())
    const says = this.#says
    if (says.length > 0) this.#says = []
    return says
  }

  get unanswered(): number {
    let count = this.#placing.size + this.#arrivals.unanswered + this.#disks.unanswered + this.#spans.unanswered
    for (const { console, exits } of this.#hosted.values()) count += (console.hasUnseen ? 1 : 0) + (exits?.unanswered ?? 0)
    return count
  }

  repeat(): void {
    this.#repeats++
    if (this.#repeats % REPEAT_EVERY !== 0) return // what is on the way is large: it is given time
    for (const placing of this.#waiting()) this.#askImage(placing)
    this.#arrivals.repeat()
    this.#spans.repeat()
    this.#disks.repeat()
    for (const hosted of this.#hosted.values()) {
      this.#sayOutput(hosted, "again")
      hosted.exits?.repeat()
    }
  }

  refusal({ task, vcpu }: TaskSpec): string | null {
    if (vcpu === undefined) return `${task} is no vCPU`
    return this.#of(vcpu) === null ? `life ${vcpu.life} of ${vcpu.vm} does not lie here` : null
  }

  open(spec: TaskSpec, _progress: TaskProgress | null): EngineTask {
    const vcpu = defined(spec.vcpu, "the task is a vCPU")
    const hosted = this.#hosted.get(vcpu.vm)
    assert(hosted?.life === vcpu.life, "the VM was placed before its vCPUs came")
    const { tickCycles } = this.#spec.clock
    const task = new VcpuTask({
      ...{ task: spec, index: vcpu.index, hosted, tickCycles },
      onSlice: (tick) => this.#memory.look(tick),
      onClose: (closed) => this.#tasks.delete(closed),
    })
    this.#tasks.add(task)
    return task
  }

  takeWakes(): readonly string[] {
    for (const task of this.#tasks) task.goOn()
    return [...this.#tasks].filter((task) => task.takeWake()).map((task) => task.name)
  }

  inspect(): Json {
    return {
      vms: [...this.#hosted.values()].map((hosted) => hosted.inspect()),
      leaving: this.#departures.inspect(),
      arriving: this.#arrivals.inspect(),
      ended: [...this.#ended.values()],
      placing: [...this.#placing.values()].map(({ vm, life }) => ({ vm: vm.name, life })),
      images: this.#images.sizes(),
      disks: this.#disks.inspect(),
      memory: this.#memory.inspect(),
      framesLeft: this.#vmm.framesLeft(),
    }
  }

  /** Once for each request. */
  #onTrace({ request, traps, ...of }: VmTrace): void {
    const hosted = this.#of(of)
    if (hosted === null || this.#traced === request) return
    this.#traced = request
    if (hosted.exits === null) this.#tap.arm(of.vm, traps)
    else hosted.exits.arm(traps)
  }

  #of({ vm, life }: { readonly vm: string; readonly life: number }): HostedVm | null {
    const hosted = this.#hosted.get(vm)
    return hosted?.life === life ? hosted : null
  }

  #say(body: VmFromNode): void {
    this.#says.push({ body })
  }

  #sayOutput({ spec, life, console }: HostedVm, again: "again" | "new"): void {
    const piece = console.next(again)
    if (piece !== null) this.#say({ kind: "VmOutput", vm: spec.name, life, ...piece })
  }

  #onPlace({ vm, life, firstLife, incarnation }: VmPlace): void {
    const { name } = vm
    const { node } = this.#place
    if (incarnation !== this.#place.incarnation || life <= (this.#over.get(name) ?? 0)) return
    if (this.#of({ vm: name, life }) !== null) return this.#say({ kind: "VmPlaced", vm: name, life, node })
    const refused = this.#refused.get(name)
    if (refused?.life === life) return this.#say({ kind: "VmRefused", vm: name, life, node, reason: refused.reason })
    if (this.#placing.get(name)?.life === life) return // its images are on the way
    const arrived = this.#arrivals.get(name)
    if (arrived?.life === life) return this.#settle(arrived)
    this.#arrivals.drop(name) // of a move that is over: it boots
    this.#end(name)
    this.#disks.onPlace({ vm, life, firstLife })
    this.#placing.set(name, { vm, life, firstLife })
    this.#makeOrAsk({ vm, life, firstLife })
  }

  #makeOrAsk(placing: Placing): void {
    if (this.#missing(placing) !== null) this.#askImage(placing)
    else if (placing instanceof ArrivingVm) this.#fetch(placing)
    else this.#make(placing)
  }

  /** Its images are here, and kept with it: others come and go. */
  #fetch(arriving: ArrivingVm): void {
    arriving.kernel = this.#images.get(arriving.vm.kernel)
    arriving.diskImage = this.#diskImage(arriving)
    this.#arrivals.ready(arriving)
  }

  /** Those whose images are to be brought. */
  #waiting(): readonly Placing[] {
    return [...this.#placing.values(), ...this.#arrivals.all().filter(({ isReady }) => !isReady)]
  }

  #missing(placing: Placing): ImageRef | null {
    const { kernel, initrd } = placing.vm
    const disk = this.#disks.needsImage(placing)
    const wanted = [kernel, ...(disk === null ? [] : [disk]), ...(initrd === undefined ? [] : [initrd])]
    return wanted.find((image) => this.#images.get(image) === null) ?? null
  }

  #askImage(placing: Placing): void {
    const image = this.#missing(placing)
    if (image === null) return
    this.#say({ kind: "ImageAsk", hash: image.hash, offset: this.#images.expect(image), node: this.#place.node })
  }

  #onChunk(chunk: ImageChunk): void {
    const got = this.#images.receive(chunk)
    if (got === "ignored") return
    for (const placing of this.#waiting()) {
      if (this.#missing(placing) !== null && !this.#waitsFor(placing, chunk.hash) && got !== "whole") continue
      if (typeof got === "object") this.#refuse(placing, got.refusal)
      else this.#makeOrAsk(placing)
    }
  }

  /** The disk of a VM that waits for it is there, or can never be. */
  #onDisk(vm: string, refusal: string | null): "wanted" | "unwanted" {
    const placing = this.#placing.get(vm) ?? this.#arrivals.get(vm)
    if (placing === null) return "unwanted"
    if (refusal !== null) this.#refuse(placing, refusal)
    else if (placing instanceof ArrivingVm) this.#settle(placing)
    else this.#makeOrAsk(placing)
    return "wanted"
  }

  #onUnknown({ hash }: ImageUnknown): void {
    this.#images.forget(hash)
    for (const placing of this.#waiting())
      if (this.#waitsFor(placing, hash)) this.#refuse(placing, `nobody has brought the image ${hash.slice(0, 12)}`)
  }

  #waitsFor(placing: Placing, hash: string): boolean {
    return this.#missing(placing)?.hash === hash
  }

  #refuse({ vm, life }: Pick<Placing, "vm" | "life">, reason: string): void {
    this.#placing.delete(vm.name)
    if (this.#arrivals.get(vm.name)?.life === life) this.#arrivals.drop(vm.name)
    this.#refused.set(vm.name, { life, reason })
    this.#say({ kind: "VmRefused", vm: vm.name, life, node: this.#place.node, reason: reason.slice(0, 200) })
  }

  /** Its images are here: makes the machine. */
  #make(placing: Placing): void {
    const { vm } = placing
    const { memoryBytes, cpus, append } = vm
    const problem = vmModeProblem(vm)
    if (problem !== null) return this.#refuse(placing, problem)
    const image = this.#parts.readImage(defined(this.#images.get(vm.kernel) ?? undefined, "the kernel is here"), memoryBytes)
    if ("refusal" in image) return this.#refuse(placing, `kernel: ${image.refusal}`)
    const initialRamDisk = vm.initrd === undefined ? null : this.#images.get(vm.initrd)
    const told = { ...(append !== undefined && { bootArguments: append }), ...(initialRamDisk !== null && { initialRamDisk }) }
    if (!leavesRoomForDeviceTree(image, { memoryBytes, cpus, ...told }))
      return this.#refuse(
        placing,
        "memoryBytes: the image leaves no room for the device tree and the RAM disk at the end of RAM; give more",
      )
    if (this.#disks.prepare(placing, this.#diskImage(placing)) === "wait") return
    if (vm.span !== undefined && image.symbols.has("tohost"))
      return this.#refuse(
        placing,
        "kernel: a guest that ends by tohost cannot lie on several nodes; give one with the finisher or SBI, or leave out span",
      )
    const attached = this.#disks.attach(placing)
    const entropy = entropyOf(vm)
    const part = this.#spans.make(vm, placing.life, (reason) => this.#onLost(placing, reason))
    const disk = attached?.disk ?? null
    const options = { ...vmOptionsOf(vm, { image, entropy, disk: disk === null ? null : (part?.diskOf(disk) ?? disk) }), ...told }
    const made = part === null ? this.#vmm.get().create(options) : this.#vmm.get().createPart(options, part)
    if (made === null) {
      attached?.detach()
      return this.#refuse(placing, this.#vmm.noRoom())
    }
    this.#placing.delete(vm.name)
    this.#host(placing, { made, entropy, attached, part })
  }

  /** It lies on several nodes, and one of its pages will never come. */
  #onLost({ vm, life }: Placing, reason: string): void {
    this.#say({ kind: "VmRefused", vm: vm.name, life, node: this.#place.node, reason: reason.slice(0, 200) })
  }

  #host({ vm: spec, life }: Placing, { made, entropy, attached, consoleBefore, part = null }: Made): void {
    const { node } = this.#place
    if (part !== null) this.#spans.add(part)
    this.#hosted.set(
      spec.name,
      new HostedVm({
        ...{ spec, life, vm: made, vmm: this.#vmm.get(), decodeText: this.#parts.decodeText, node, tap: this.#tap, entropy, part },
        now: this.#spans.now,
        ...(consoleBefore !== undefined && { consoleBefore }),
        detachDisk: attached?.detach ?? null,
        say: (...said) => void this.#says.push(...said),
      }),
    )
    this.#say({ kind: "VmPlaced", vm: spec.name, life, node })
  }

  #diskImage(placing: Placing): Uint8Array | null {
    const { disk } = placing.vm
    return disk === undefined || !("hash" in disk) ? null : this.#images.get(disk)
  }

  #onMoveIn(move: VmMoveIn): void {
    const { vm, life, incarnation } = move
    const { node } = this.#place
    if (incarnation !== this.#place.incarnation || life <= (this.#over.get(vm.name) ?? 0) || this.#of({ vm: vm.name, life }) !== null)
      return
    const refused = this.#refused.get(vm.name)
    if (refused?.life === life) return this.#say({ kind: "VmRefused", vm: vm.name, life, node, reason: refused.reason })
    const came = this.#arrivals.onMoveIn(move)
    if (came instanceof ArrivingVm) {
      this.#disks.forget(vm.name, life) // of an earlier stay of it here
      this.#makeOrAsk(came)
    } else if (typeof came === "object") this.#refuse({ vm, life }, came.refusal)
  }

  /** The VM as it stopped where it comes from, with memory that is all zeros so far. */
  #goOn(arriving: ArrivingVm, { state, entropyDrawn, diskSectors }: ArrivingState): Vm {
    const { vm, reserved, kernel } = arriving
    const image = this.#parts.readImage(defined(kernel ?? undefined, "the kernel is here"), vm.memoryBytes)
    assert(!("refusal" in image), "what ran on another node is an image")
    const attached = diskSectors === null ? null : this.#disks.attachLater(arriving, diskSectors)
    const entropy = entropyOf(vm, entropyDrawn)
    arriving.attached = attached
    arriving.entropy = entropy
    return this.#vmm.get().goOn(reserved, vmOptionsOf(vm, { image, entropy, disk: attached?.disk ?? null }), state)
  }

  #giveBack(arriving: ArrivingVm): void {
    const { made, reserved, vm, life, attached } = arriving
    if (made === null) this.#vmm.get().release(reserved)
    else this.#vmm.get().destroy(made)
    attached?.detach()
    this.#disks.forget(vm.name, life)
  }

  /** The hypervisor has decided that it goes on here. */
  #settle(arriving: ArrivingVm): void {
    const { vm, state, made, entropy, attached } = arriving
    if (!arriving.isTaken || made === null || state === null) return
    if (this.#disks.prepare(arriving, null) === "wait") return
    this.#disks.bind(vm)
    this.#end(vm.name)
    this.#arrivals.leave(vm.name)
    this.#host(arriving, { made, entropy, attached, consoleBefore: state.console })
  }

  #onControl({ vm, life, seq, want }: VmControl): void {
    const hosted = this.#of({ vm, life })
    if (want === "running" || want === "paused") {
      if (hosted === null || hosted.isOver) return // a life that is not (or no more) here: its vCPUs tell
      if (want === "paused") hosted.vm.pause()
      else hosted.vm.resume()
    } else {
      this.#over.set(vm, Math.max(life, this.#over.get(vm) ?? 0))
      if ((this.#hosted.get(vm)?.life ?? Infinity) <= life || (this.#placing.get(vm)?.life ?? Infinity) <= life) this.#end(vm)
      if ((this.#arrivals.get(vm)?.life ?? Infinity) <= life) this.#arrivals.drop(vm)
      if (want === "destroyed") this.#forget(vm, life)
      if (this.#disks.isClosing(vm)) return // asked again until its disk is closed
    }
    this.#say({ kind: "VmControlled", vm, life, seq, node: this.#place.node })
  }

  #end(vm: string): void {
    const hosted = this.#hosted.get(vm)
    if (hosted !== undefined) {
      this.#remember(vm, hosted.inspect())
      this.#says.push(...hosted.takeCounts())
    }
    this.#departures.forget(vm)
    if (hosted?.part) this.#spans.drop(hosted.part)
    hosted?.remove()
    this.#hosted.delete(vm)
    this.#placing.delete(vm)
  }

  #remember(vm: string, last: Json): void {
    this.#ended.delete(vm)
    this.#ended.set(vm, last)
    if (this.#ended.size > ENDED_MAX) for (const oldest of this.#ended.keys()) return void this.#ended.delete(oldest)
  }

  /** Nothing is kept of lives up to this one. */
  #forget(vm: string, life: number): void {
    this.#disks.forget(vm, life)
    if ((this.#refused.get(vm)?.life ?? 0) <= life) this.#refused.delete(vm)
    if (this.#hosted.has(vm)) return // it has come back meanwhile
    this.#tap.forget(vm)
    this.#ended.delete(vm)
  }
}

interface Made {
  readonly made: Vm
  readonly entropy: SeededEntropy | null
  readonly attached: Attached | null
  readonly part?: SpanPart | null
  readonly consoleBefore?: ConsoleCapture
}

/** VMs that are over and whose last state is shown. */
const ENDED_MAX = 64
/** Calls of `say` until exits are counted into the metrics again. */
const COUNTED_EVERY = 64
/** Calls of `repeat` until something is said again. */
const REPEAT_EVERY = 8
