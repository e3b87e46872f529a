/**
 * The disks of the VMs of one node: over images, kept on the node's own disk; or in the key-value store. Both outlive the node's process.
 *
 * Not here: what a guest may ask of a disk (trap/devices), how a disk lies in the store (trap/contract's disk-layout.ts).
 */
import { assert } from "@backplane/foundation-base/assert"
import { persist } from "@backplane/foundation-actor/effects"
import type { Restored, PersistEffect } from "@backplane/foundation-actor/machine"
import type { Json } from "@backplane/foundation-base/json"
import type { DiskAnswer, DiskRequest } from "@backplane/trap-devices/virtio-block/virtio-block"
import type { Durability, LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"
import type { ImageRef, VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { BlockAsk, BlockTold } from "@backplane/trap-contract/disk-messages"
import { BlockLine } from "./block-line.ts"
import { KeptDisk } from "./kept-disk.ts"
import { StoreVolume } from "./store-volume.ts"
import { VolumeRoot } from "./volume-root.ts"

const KEPT_PREFIX = "disk/"
/** Calls of `repeat` that a disk may take to be closed before its VM is over all the same; what was not flushed is lost then. */
const CLOSE_REPEATS_MAX = 200

/** A disk over an image; `life` is the first life of its VM. */
interface Kept {
  readonly hash: string
  readonly life: number
  /** Pieces that an earlier life of the node has kept, until the image is here. */
  readonly restored: Map<number, string>
  disk: KeptDisk | null
}

interface Placing {
  readonly vm: VmSpec
  readonly life: number
  readonly firstLife: number
}

interface Taking extends Placing {
  /** Null: its disk, if it has one, is none over an image. */
  readonly diskImage: Uint8Array | null
  readonly pieces: ReadonlyMap<number, string>
}

/** What the virtio-blk of one life is given. */
export interface Attached {
  readonly disk: LaterDisk
  readonly detach: () => void
}

export interface NodeDisksParts {
  readonly machine: string
  readonly node: number
  readonly incarnation: number
  readonly say: (said: PersistEffect | BlockAsk) => void
  /** The disk of a VM that waits for it is there, or why it cannot be. `unwanted`: nobody waits for it any more. */
  readonly onOpened: (vm: string, refusal: string | null) => "wanted" | "unwanted"
  /** A request of this VM was answered later: its memory has changed. */
  readonly onAnswered: (vm: string) => void
}

export class NodeDisks {
  readonly #parts: NodeDisksParts
  readonly #line: BlockLine
  readonly #kept = new Map<string, Kept>()
  readonly #volumes = new Map<string, { readonly life: number; readonly volume: StoreVolume }>()
  readonly #opening = new Set<string>()
  /** By VM: how its virtio-blk reaches its disk. */
  readonly #ports = new Map<string, DiskPort>()
  /** By VM: who waits for its disk to be taken over. */
  readonly #taking = new Map<string, () => void>()
  /** By VM: disks that are being closed, and how often that was waited for. */
  readonly #closing = new Map<string, number>()

  constructor(parts: NodeDisksParts) {
    this.#parts = parts
    const { node, incarnation } = parts
    this.#line = new BlockLine(`${node}.${incarnation}`, parts.say)
  }

  restore(restored: Restored): void {
    for (const [key, value] of restored) {
      const [, vm, piece] = key.split("/")
      if (!key.startsWith(KEPT_PREFIX) || vm === undefined || piece !== undefined) continue
      const { hash, life } = value as { readonly hash: string; readonly life: number }
      this.#kept.set(vm, { hash, life, restored: new Map(), disk: null })
    }
    for (const [key, value] of restored) {
      const [, vm = "", piece] = key.split("/")
      if (!key.startsWith(KEPT_PREFIX) || piece === undefined || typeof value !== "string") continue
      const kept = this.#kept.get(vm)
      if (kept !== undefined) kept.restored.set(Number(piece), value)
      else this.#parts.say(persist(key, null)) // of a disk that was on its way here when we died
    }
  }

  get unanswered(): number {
    return this.#line.unanswered
  }

  repeat(): void {
    this.#line.repeat()
    for (const [vm, times] of this.#closing) {
      if (times < CLOSE_REPEATS_MAX) this.#closing.set(vm, times + 1)
      else this.#closed(vm)
    }
  }

  onTold(told: BlockTold): void {
    this.#line.onTold(told)
  }

  onPersisted(key: string): void {
    const [, vm = "", piece] = key.split("/")
    if (!key.startsWith(KEPT_PREFIX)) return
    if (piece !== undefined) return this.#kept.get(vm)?.disk?.onKept(Number(piece))
    const onTaken = this.#taking.get(vm)
    this.#taking.delete(vm)
    onTaken?.()
  }

  /** What else waits of the disk of a VM that stands still: nothing, once all its requests are answered and what it wrote is stored. */
  isQuiet(vm: string): boolean {
    return (this.#ports.get(vm)?.isQuiet ?? true) && (this.#volumes.get(vm)?.volume.isClean ?? true)
  }

  sectorsOf(vm: string): number | null {
    return this.#ports.get(vm)?.sectors ?? null
  }

  /** What the VM has written over its image: by piece, as text. */
  piecesOf(vm: string): readonly (readonly [number, string])[] {
    const disk = this.#kept.get(vm)?.disk ?? null
    return disk === null ? [] : disk.pieces().map((piece) => [piece, disk.textOf(piece)] as const)
  }

  /** A VM comes here with what it wrote over its image: `done` when all of it is on this node's disk. What was known of an earlier one goes. */
  take({ vm: { name, disk }, life, diskImage: image, pieces }: Taking, done: () => void): void {
    this.#drop(name)
    if (disk === undefined || !("hash" in disk) || image === null) return done()
    for (const [piece, text] of pieces) this.#parts.say(persist(`${KEPT_PREFIX}${name}/${piece}`, text))
    this.#kept.set(name, { hash: disk.hash, life, restored: new Map(pieces), disk: null })
    this.#makeKept({ vm: { name }, life }, disk, image)
    this.#taking.set(name, done)
    this.#parts.say(persist(`${KEPT_PREFIX}${name}`, { hash: disk.hash, life })) // last: without it the pieces count for nothing
  }

  /** A disk of an earlier VM of this name is no longer wanted. */
  onPlace({ vm, firstLife }: Placing): void {
    const kept = this.#kept.get(vm.name)
    if (kept === undefined) return
    const isSame = vm.disk !== undefined && "hash" in vm.disk && vm.disk.hash === kept.hash
    if (kept.life < firstLife || !isSame) this.#drop(vm.name)
  }

  /** Its image must be brought before it can be made. */
  needsImage({ vm }: Placing): ImageRef | null {
    if (vm.disk === undefined || !("hash" in vm.disk)) return null
    return this.#kept.get(vm.name)?.disk === null || !this.#kept.has(vm.name) ? vm.disk : null
  }

  /** Is the VM's disk there? `wait`: `onOpened` will say. */
  prepare(placing: Placing, image: Uint8Array | null): "ready" | "wait" {
    const { vm, life } = placing
    const { disk, name } = vm
    if (disk === undefined) return "ready"
    if ("hash" in disk) {
      if (image !== null) this.#makeKept(placing, disk, image)
      return "ready"
    }
    if (this.#volumes.get(name)?.life === life) return "ready"
    if (!this.#opening.has(name) && !this.#closing.has(name)) this.#open(placing, disk.volume)
    return "wait"
  }

  /** What the VM's virtio-blk is given for this life; null: it has no disk. */
  attach(placing: Placing): Attached | null {
    const behind = this.#behind(placing.vm)
    if (behind === null) return null
    const attached = this.attachLater(placing, behind.sectors)
    this.bind(placing.vm)
    return attached
  }

  /** The same for a VM that stands still until its disk is there (`bind`). */
  attachLater({ vm: { name }, life }: Placing, sectors: number): Attached {
    const port = new DiskPort(sectors, () => {
      this.#parts.onAnswered(name)
    })
    this.#ports.set(name, port)
    return {
      disk: port,
      detach: () => {
        port.detach()
        if (this.#ports.get(name) === port) this.#ports.delete(name)
        this.#close(name, life)
      },
    }
  }

  bind(vm: VmSpec): void {
    const behind = this.#behind(vm)
    if (behind !== null) this.#ports.get(vm.name)?.bind(behind)
  }

  #behind({ name, disk }: VmSpec): LaterDisk | null {
    return disk === undefined ? null : (this.#kept.get(name)?.disk ?? this.#volumes.get(name)?.volume ?? null)
  }

  /** Its disk in the store is being closed: the VM is not over before. */
  isClosing(vm: string): boolean {
    return this.#closing.has(vm)
  }

  /** Lives of the VM up to this one are destroyed here: what they wrote over its image goes. A disk in the store stays. */
  forget(vm: string, life: number): void {
    if ((this.#kept.get(vm)?.life ?? 0) <= life) this.#drop(vm)
  }

  inspect(): Json {
    const kept = [...this.#kept].map(([vm, { disk }]) => ({ vm, sectors: disk?.sectors ?? 0, sectorsWritten: disk?.sectorsWritten() ?? 0 }))
    return [...kept, ...[...this.#volumes].map(([vm, { volume }]) => ({ vm, ...volume.inspect() }))]
  }

  #makeKept(
    { vm: { name }, life }: { readonly vm: { readonly name: string }; readonly life: number },
    { hash }: ImageRef,
    image: Uint8Array,
  ): void {
    const known = this.#kept.get(name)
    if (known?.disk !== undefined && known.disk !== null) return
    const disk = new KeptDisk(image, (piece, text) => {
      this.#parts.say(persist(`${KEPT_PREFIX}${name}/${piece}`, text))
    })
    for (const [piece, text] of known?.restored ?? []) disk.restore(piece, text)
    this.#kept.set(name, { hash, life: known?.life ?? life, restored: new Map(), disk })
    if (known === undefined) this.#parts.say(persist(`${KEPT_PREFIX}${name}`, { hash, life }))
  }

  #open({ vm: { name }, life }: Placing, volume: string): void {
    this.#opening.add(name)
    const ask = this.#line.ask.bind(this.#line)
    const owner = `${this.#parts.machine}/${name}/${life}`
    VolumeRoot.open({ name: volume, owner, ask }, (root) => {
      this.#opening.delete(name)
      if ("refusal" in root) return void this.#parts.onOpened(name, root.refusal)
      this.#volumes.set(name, { life, volume: new StoreVolume({ name: volume, root, ask }) })
      if (this.#parts.onOpened(name, null) === "unwanted") this.#close(name, life)
    })
  }

  #close(vm: string, life: number): void {
    const open = this.#volumes.get(vm)
    if (open?.life !== life) return
    this.#volumes.delete(vm)
    this.#closing.set(vm, 0)
    open.volume.close(() => {
      this.#closed(vm)
    })
  }

  #closed(vm: string): void {
    if (this.#closing.delete(vm)) this.#parts.onOpened(vm, null) // who waits for the disk asks again
  }

  #drop(vm: string): void {
    this.#taking.delete(vm)
    const kept = this.#kept.get(vm)
    if (kept === undefined) return
    this.#kept.delete(vm)
    for (const piece of [...kept.restored.keys(), ...(kept.disk?.pieces() ?? [])])
      this.#parts.say(persist(`${KEPT_PREFIX}${vm}/${piece}`, null))
    this.#parts.say(persist(`${KEPT_PREFIX}${vm}`, null))
  }
}

/** A disk as one life of a VM sees it: what is answered after that life reaches nobody. */
class DiskPort implements LaterDisk {
  readonly sectors: number
  readonly #onAnswered: () => void
  #behind: LaterDisk | null = null
  #isAttached = true
  /** Requests that wait for an answer. */
  #underWay = 0

  constructor(sectors: number, onAnswered: () => void) {
    this.sectors = sectors
    this.#onAnswered = onAnswered
  }

  bind(behind: LaterDisk): void {
    this.#behind = behind
  }

  get isQuiet(): boolean {
    return this.#underWay === 0
  }

  submit(request: DiskRequest, durability: Durability, complete: (answer: DiskAnswer) => void): void {
    assert(this.#behind !== null, "a VM runs only with its disk")
    let isLater = false
    this.#underWay++
    this.#behind.submit(request, durability, (answer) => {
      this.#underWay--
      if (!this.#isAttached) return
      complete(answer)
      if (isLater) this.#onAnswered()
    })
    isLater = true
  }

  detach(): void {
    this.#isAttached = false
  }
}
