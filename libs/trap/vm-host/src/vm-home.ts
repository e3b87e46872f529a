/**
 * The home of a VM that lies on several nodes: its devices and its firmware (SBI), for vCPUs of all of them.
 *
 * A device that reads or writes the guest's memory first gets the pages that it needs, as a vCPU would; what waits for that is served in order, and so
 * is what comes while nobody takes what the guest writes. Interrupts of devices go to the home's own vCPUs (`homeAffinity`): one elsewhere would have
 * to bring the driver's pages there first. Not here: the devices themselves (trap/devices), what a call of firmware does (trap/sbi).
 */
import { RAM_BASE } from "@backplane/compute-contract/engine"
import { callSbi } from "@backplane/trap-sbi/sbi"
import { SSIP } from "@backplane/trap-csr/causes"
import { Slot } from "@backplane/trap-csr/csr-file"
import { DmaPages } from "@backplane/trap-devices/virtio-mmio/dma-pages"
import { virtioPlace } from "@backplane/trap-devices/address-map/virt-map"
import type { LinkBody } from "@backplane/trap-contract/vm-span-messages"
import type { DeviceUse } from "@backplane/trap-vmm/vm-side"
import type { SbiEffect } from "@backplane/trap-sbi/sbi-types"
import type { Vm } from "@backplane/trap-vmm/vm"
import type { NodeSet } from "./node-set.ts"

const PAGE_SHIFT = 12n
const EVERYTHING = { address: null, addressSpace: null } as const
/** `mtimecmp` after reset. */
const NEVER = 2n ** 64n - 1n

/** What a call of firmware comes to for who called. */
export interface CallAnswer {
  readonly error: bigint
  /** For a1; null leaves it. */
  readonly value: bigint | null
  readonly state: "stopped" | "suspended" | null
  readonly resume: { readonly pc: bigint; readonly opaque: bigint } | null
}

export interface VmHomePort {
  readonly vm: Vm
  readonly nodes: NodeSet
  /** Asks for the page, to be written by a device. True: it may be now. */
  access(page: number): boolean
  /** What they were brought for has been done. */
  used(pages: Iterable<number>): void
  send(to: number, body: LinkBody): void
  /** The console takes no more. */
  isFull(): boolean
}

interface Waiting {
  readonly pages: () => readonly number[]
  readonly go: () => void
}

interface Fencing {
  /** Nodes that have not fenced yet. */
  readonly left: Set<number>
  readonly done: () => void
}

export class VmHome {
  readonly #port: VmHomePort
  readonly #dma: DmaPages
  readonly #waiting: Waiting[] = []
  readonly #brought = new Set<number>()
  readonly #fences = new Map<number, Fencing>()
  #fenceSequence = 0
  /** By vCPU: lines as they were told last. */
  readonly #lines: bigint[]

  constructor(port: VmHomePort) {
    this.#port = port
    const { memory, vcpus } = port.vm
    this.#dma = new DmaPages({
      read: (address, bytes) => (memory.contains(address, bytes) ? memory.read(address, bytes) : null),
      isMemory: (address, bytes) => memory.contains(address, bytes),
    })
    this.#lines = vcpus.map(() => 0n)
  }

  /** Pages that the device at that address needs for this store; none for most. */
  pagesOf({ address, value }: DeviceUse): readonly number[] {
    return value !== null && this.#dma.stored(address, value) ? this.#dma.pages(address) : []
  }

  /** Of a vCPU at another node, in its turn. */
  use(use: DeviceUse, answer: (value: bigint | null) => void): void {
    // Which pages a notice needs is known when the stores before it are done.
    this.#waiting.push({ pages: () => this.pagesOf(use), go: () => answer(this.#port.vm.side.use(use)) })
    this.goOn()
  }

  /** The disk has answered later: its pages may be elsewhere by now. */
  answered(go: () => void): void {
    this.#waiting.push({ pages: () => this.#dma.pages(virtioPlace(0).base), go })
    this.goOn()
  }

  call(vcpu: number, registers: readonly bigint[], reply: (answer: CallAnswer) => void): void {
    const { vm } = this.#port
    const { error, value, effects } = callSbi(
      { hart: vcpu, extension: registers[7] ?? 0n, function: registers[6] ?? 0n, arguments: registers.slice(0, 6) },
      {
        harts: vm.vcpus.map(({ state }) => state),
        memory: { from: RAM_BASE, bytes: BigInt(vm.memory.bytes) },
        input: vm.console.waiting(),
      },
    )
    const go = (): void => {
      let [state, resume]: [CallAnswer["state"], CallAnswer["resume"]] = [null, null]
      let fence: Extract<SbiEffect, { kind: "fence-translations" }> | null = null
      for (const effect of effects) {
        if (effect.kind === "stop" || effect.kind === "suspend") state = effect.kind === "stop" ? "stopped" : "suspended"
        if (effect.kind === "suspend") resume = effect.resume
        if (effect.kind === "fence-translations") fence = effect
        this.#carryOut(effect)
      }
      const answer = { error, value, state, resume }
      if (fence === null) reply(answer)
      else this.#fence(fence.harts, () => reply(answer))
    }
    this.#waiting.push({ pages: () => effects.flatMap(pagesOfEffect), go })
    this.goOn()
  }

  onFenced(from: number, sequence: number): void {
    const fencing = this.#fences.get(sequence)
    if (fencing === undefined || !fencing.left.delete(from) || fencing.left.size > 0) return
    this.#fences.delete(sequence)
    fencing.done()
  }

  /** The first that waits goes on when the node may write all its pages; else they are asked for. */
  goOn(): void {
    for (let first = this.#waiting[0]; first !== undefined && !this.#port.isFull(); first = this.#waiting[0]) {
      const missing = first.pages().filter((page) => {
        this.#brought.add(page)
        return !this.#port.access(page)
      })
      if (missing.length > 0) return
      this.#waiting.shift()
      first.go()
      const pages = [...this.#brought]
      this.#brought.clear()
      this.#port.used(pages)
    }
  }

  /** The other nodes are told how the lines of their vCPUs stand, where that has changed. */
  tellLines(): void {
    const { vm, nodes, send } = this.#port
    for (const { index } of vm.vcpus) {
      if (nodes.isHere(index)) continue
      const lines = vm.side.lines(index)
      if (lines === this.#lines[index]) continue
      this.#lines[index] = lines
      send(nodes.of(index), { of: "lines", vcpu: index, lines: hex(lines) })
    }
  }

  /** The `mtime` at which the board's timer of a vCPU elsewhere rings next; null: none does. */
  nextTimer(): bigint | null {
    const { vm, nodes } = this.#port
    const now = vm.side.time()
    return vm.vcpus.reduce<bigint | null>((first, { index }) => {
      const deadline = nodes.isHere(index) ? NEVER : vm.side.timer(index)
      return deadline <= now || deadline === NEVER || (first !== null && first <= deadline) ? first : deadline
    }, null)
  }

  #fence(vcpus: readonly number[], done: () => void): void {
    const { vm, nodes, send } = this.#port
    for (const vcpu of vcpus) if (nodes.isHere(vcpu)) vm.vcpus[vcpu]?.mmu.fence(EVERYTHING)
    const left = new Set(vcpus.filter((vcpu) => !nodes.isHere(vcpu)).map((vcpu) => nodes.of(vcpu)))
    if (left.size === 0) return done()
    const sequence = ++this.#fenceSequence
    this.#fences.set(sequence, { left, done })
    for (const node of left) send(node, { of: "fence", vcpus: vcpus.filter((vcpu) => nodes.of(vcpu) === node), sequence })
  }

  #carryOut(effect: SbiEffect): void {
    const { vm } = this.#port
    switch (effect.kind) {
      case "raise-software":
        return effect.harts.forEach((vcpu) => this.#setSoftware(vcpu, true))
      case "clear-software":
        return this.#setSoftware(effect.hart, false)
      case "start":
        return this.#begin(effect)
      case "stop":
      case "suspend":
        return this.#note(effect.hart, effect.kind === "stop" ? "stopped" : "suspended")
      case "shutdown":
        return vm.side.end({ kind: "end", reason: "shutdown", code: effect.outcome === "success" ? 0 : 1 })
      case "reset":
        return vm.side.end({ kind: "end", reason: "reset", code: 0 })
      case "console-byte":
        return vm.console.write(effect.byte)
      case "console-write":
        return vm.memory.read(effect.address, effect.bytes).forEach((byte) => vm.console.write(byte))
      case "consume-input":
        return void vm.console.take(effect.bytes)
      case "write-memory":
        return vm.memory.write(effect.address, Uint8Array.from(effect.data))
      case "set-timer": // the caller's own, at its node
      case "fence-instructions": // the engine's code follows every store, and pages that come
      case "fence-translations":
        return
    }
  }

  /** As firmware sees it; where the vCPU lies elsewhere, that is all that is known of it here. */
  #note(index: number, state: "started" | "stopped" | "suspended"): void {
    const vcpu = this.#port.vm.vcpus[index]
    if (vcpu !== undefined && !this.#port.nodes.isHere(index)) vcpu.state = state
  }

  #begin({ hart: index, pc, opaque }: Extract<SbiEffect, { kind: "start" }>): void {
    const { vm, nodes, send } = this.#port
    if (nodes.isHere(index)) return vm.vcpus[index]?.begin({ pc, opaque })
    this.#note(index, "started")
    send(nodes.of(index), { of: "begin", vcpu: index, pc: hex(pc), opaque: hex(opaque) })
  }

  #setSoftware(index: number, pending: boolean): void {
    const { vm, nodes, send } = this.#port
    if (nodes.isHere(index)) setSoftware(vm, index, pending)
    else send(nodes.of(index), { of: "software", vcpu: index, pending })
  }
}

/** The supervisor software interrupt of a vCPU that lies here. */
export function setSoftware(vm: Vm, index: number, pending: boolean): void {
  const file = vm.vcpus[index]?.file
  const bits = file?.get(Slot.mipSoftware) ?? 0n
  file?.set(Slot.mipSoftware, pending ? bits | SSIP : bits & ~SSIP)
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`
}

/** Pages of the guest that an effect reads or writes. */
function pagesOfEffect(effect: SbiEffect): readonly number[] {
  if (effect.kind !== "console-write" && effect.kind !== "write-memory") return []
  const bytes = effect.kind === "console-write" ? effect.bytes : effect.data.length
  if (bytes === 0) return []
  const first = Number((effect.address - RAM_BASE) >> PAGE_SHIFT)
  const last = Number((effect.address + BigInt(bytes - 1) - RAM_BASE) >> PAGE_SHIFT)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
