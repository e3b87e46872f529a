/**
 * This node's part of a VM that lies on several: its vCPUs wait here for pages and for what only the home can answer.
 *
 * Its pages are one shared memory (memory/agent, given in), its words to the other nodes go over links (vm-links.ts), the home's devices are vm-home.ts.
 * A vCPU that waits is held (trap/vmm's vm-part.ts): its instruction is done once more when what it asked for is there.
 * SP1 what a vCPU asked the home is done once, however often its instruction leaves. SP2 a page that was brought for an instruction is let go when that
 * has retired, or, for a device, when it has read and written. SP3 a part that lost a page retires nothing more.
 */
import { timer } from "@backplane/foundation-actor/effects"
import { virtualTime, type VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { assert, defined } from "@backplane/foundation-base/assert"
import { PAGE_BYTES } from "@backplane/scenario-machine/vm-spec"
import { spaceOfVm } from "@backplane/scenario-machine/vm-span"
import { Extension } from "@backplane/trap-sbi/sbi-numbers"
import { ECALL } from "@backplane/trap-csr/execute-system"
import { Slot } from "@backplane/trap-csr/csr-file"
import { INSTRUCTIONS_PER_TICK } from "@backplane/trap-board/machine-clock"
import type { GuestEnd } from "@backplane/compute-contract/guest-state"
import type { EngineExit } from "@backplane/compute-contract/engine"
import type { LaterDisk } from "@backplane/trap-devices/virtio-block/later-disk"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmSaid } from "@backplane/trap-contract/vm-host"
import type { LinkBody, VmLink, VmLinkSeen } from "@backplane/trap-contract/vm-span-messages"
import type { PartDevices, VmPart } from "@backplane/trap-vmm/vm-part"
import type { Vcpu } from "@backplane/trap-vmm/vcpu"
import type { Vm } from "@backplane/trap-vmm/vm"
import { NodeSet } from "./node-set.ts"
import { hex, setSoftware, VmHome, type CallAnswer } from "./vm-home.ts"
import { VmLinks } from "./vm-links.ts"
import type { SpacePort, Spaces } from "./space-port.ts"

const SUPERVISOR = 1n
const A0 = 10
const A1 = 11
const ARGUMENTS = 8

type Answer = { readonly of: "io"; readonly value: bigint | null } | ({ readonly of: "call" } & CallAnswer)

/** What a vCPU has asked, until its instruction is done. */
interface Asked {
  readonly sequence: number
  answer: Answer | null
}

export interface SpanPartOptions {
  readonly spec: VmSpec
  readonly life: number
  readonly node: number
  readonly spaces: Spaces
  readonly say: (...said: readonly VmSaid[]) => void
  /** The VM cannot go on: a page of it is lost, or memory is out. */
  readonly onLost: (reason: string) => void
}

export class SpanPart implements VmPart {
  readonly away: PartDevices | null
  readonly space: string
  readonly #options: SpanPartOptions
  readonly #nodes: NodeSet
  readonly #links: VmLinks
  #vm: Vm | null = null
  #pages: SpacePort | null = null
  #home: VmHome | null = null
  #now = virtualTime(0)
  #units = 0
  /** By vCPU of this node. */
  readonly #waiting = new Map<number, "answer" | { readonly page: number | null }>()
  readonly #asked = new Map<number, Asked>()
  readonly #brought = new Map<number, Set<number>>()
  readonly #lines = new Map<number, bigint>()
  #sequence = 0
  /** Whose access to a device is being done with the answer that it got. */
  #using = -1
  /** Cycles for which the timer of the clock is set. */
  #timerAt = 0
  /** Cycles for which the timer of pages that are kept is set. */
  #holdsAt = 0
  /** Why it retires nothing more; null: it does. */
  #lostFor: string | null = null
  /** How the guest ended, told to the other nodes. */
  #end: GuestEnd | null = null

  constructor(options: SpanPartOptions) {
    const { spec, life, node, say } = options
    this.#options = options
    this.space = spaceOfVm(spec.name, life)
    this.#nodes = new NodeSet(spec, node)
    this.away = this.#nodes.isHome ? null : this.#awayDevices()
    this.#links = new VmLinks({
      ...{ vm: spec.name, life, node },
      say: (to, body) => say({ body, to }),
      onBody: (from, body) => this.#onBody(from, body),
      onFull: (to) => this.#lose(`node ${to} has not seen ${spec.name}'s last messages`),
    })
  }

  /** The VM is made: its memory is shared from now on. */
  attach(vm: Vm, { now, isFull }: { readonly now: VirtualTime; readonly isFull: () => boolean }): void {
    const { spec, spaces } = this.#options
    this.#vm = vm
    const { memory } = vm
    const pages = spaces.open({
      ...{ space: this.space, pages: spec.memoryBytes / PAGE_BYTES, now, members: spec.span ?? [this.#options.node] },
      memory: {
        read: (page) => memory.copyOf(page),
        write: (page, bytes) => memory.writePage(page, bytes),
        setRights: (page, rights) => {
          memory.setRights(page, rights)
          if (rights === "none") vm.side.written()
        },
      },
      onChange: (page) => this.#onChange(page),
      onRefused: (_page, reason) => this.#lose(reason),
    })
    this.#pages = pages
    if (!this.#nodes.isHome) return
    this.#home = new VmHome({
      ...{ vm, nodes: this.#nodes, isFull, send: (to, body) => this.#links.send(to, body) },
      access: (page) => pages.accessForDevice(page),
      used: (of) => pages.retired(of),
    })
  }

  at(now: VirtualTime): void {
    this.#now = now
    this.#pages?.at(now)
  }

  /** The slice that is executed next begins then, cycles of the machine. */
  sliceFrom(cycles: number): void {
    this.#units = cycles
  }

  hearLink(link: VmLink | VmLinkSeen): void {
    this.#links.hear(link)
  }

  get pages(): SpacePort {
    return defined(this.#pages ?? undefined, "a part that hears of pages has its memory")
  }

  get unanswered(): number {
    return this.#links.unseen + (this.#lostFor === null ? 0 : 1)
  }

  repeat(): void {
    this.#links.repeat()
    if (this.#lostFor !== null) this.#options.onLost(this.#lostFor)
  }

  /** The moment of a board's timer has come. */
  onClock(): void {
    this.#timerAt = 0
    this.#vm?.side.keepUp(this.#now)
  }

  /** At the end of a step: what this part has to say about wires, time, pages, and the end. */
  takeSaid(): readonly VmSaid[] {
    const home = this.#home
    this.#letGo()
    if (home !== null) {
      home.goOn()
      home.tellLines()
      this.#setClock(home)
      const end = this.#vm?.end() ?? null
      if (end !== null) this.tellEnd({ exit: end.code, reason: end.reason })
    }
    return this.#pages?.takeEffects() ?? []
  }

  /** Every node of the VM learns how it ended. */
  tellEnd({ exit, reason }: GuestEnd): void {
    if (this.#end !== null) return
    this.#end = { exit, reason }
    if (reason !== "finisher" && reason !== "shutdown" && reason !== "reset" && reason !== "stuck") return
    for (const node of this.#nodes.others()) this.#links.send(node, { of: "end", exit, reason })
  }

  /** How it ended at another node; null: it has not. */
  get end(): GuestEnd | null {
    return this.#end
  }

  /** The disk of a home answers when the pages that it writes are there. */
  diskOf(disk: LaterDisk): LaterDisk {
    return {
      sectors: disk.sectors,
      submit: (request, durability, complete) => {
        let isLater = false
        disk.submit(request, durability, (answer) => {
          if (isLater) this.#home?.answered(() => complete(answer))
          else complete(answer)
        })
        isLater = true
      },
    }
  }

  units(): number {
    return this.#units
  }

  isHeld(vcpu: number): boolean {
    return this.#lostFor !== null || this.#waiting.has(vcpu)
  }

  isAsking(vcpu: number): boolean {
    return this.#asked.has(vcpu)
  }

  access(vcpu: number, page: number, exit: Extract<EngineExit, { kind: "frame" }>): boolean {
    this.#broughtFor(vcpu).add(page)
    // Set before: where home and frame are here, the answer may come at once.
    this.#waiting.set(vcpu, { page })
    if (!this.pages.access(page, exit)) return false
    this.#waiting.delete(vcpu)
    return true
  }

  retired(vcpu: number): void {
    const brought = this.#brought.get(vcpu)
    if (brought === undefined || brought.size === 0) return
    this.pages.hold(brought)
    brought.clear()
  }

  isReady(vcpu: Vcpu, exit: EngineExit, { sbi }: { readonly sbi: unknown }): boolean {
    if (exit.kind === "io-load" || exit.kind === "io-store") return this.#isDeviceReady(vcpu.index, exit)
    if (exit.kind !== "system" || exit.instruction !== ECALL || exit.length !== 4) return true
    if (sbi === null || vcpu.file.get(Slot.privilege) !== SUPERVISOR) return true
    return this.#isCallReady(vcpu)
  }

  call(vcpu: Vcpu): { readonly registers: readonly { register: number; value: bigint }[]; readonly end: null } {
    const answer = this.#takeAnswer(vcpu.index)
    assert(answer?.of === "call", "a call of firmware is done when it is answered")
    if (answer.state !== null) vcpu.state = answer.state
    if (answer.state === "suspended") {
      vcpu.waiting = true
      vcpu.resume = answer.resume
    }
    const value = answer.value === null ? [] : [{ register: A1, value: answer.value }]
    return { registers: [{ register: A0, value: answer.error }, ...value], end: null }
  }

  #awayDevices(): PartDevices {
    const taken = (): bigint | null => {
      const answer = this.#takeAnswer(this.#using)
      assert(answer?.of === "io", "an access to a device is done when it is answered")
      return answer.value
    }
    return {
      load: () => {
        const value = taken()
        return value === null ? { kind: "absent" } : { kind: "value", value }
      },
      store: () => (taken() === null ? { kind: "absent" } : { kind: "done" }),
      lines: (vcpu) => this.#lines.get(vcpu) ?? 0n,
    }
  }

  #takeAnswer(vcpu: number): Answer | null {
    const asked = this.#asked.get(vcpu)
    this.#asked.delete(vcpu)
    return asked?.answer ?? null
  }

  #isDeviceReady(vcpu: number, { address, width, ...exit }: Extract<EngineExit, { kind: "io-load" | "io-store" }>): boolean {
    const value = "value" in exit ? exit.value : null
    if (this.#home !== null) {
      const missing = this.#home.pagesOf({ address, width, value }).filter((page) => {
        this.#broughtFor(vcpu).add(page)
        return !this.pages.accessForDevice(page)
      })
      if (missing.length > 0) this.#waiting.set(vcpu, { page: null })
      return missing.length === 0
    }
    this.#using = vcpu
    const asked = this.#asked.get(vcpu)
    if (asked !== undefined) return asked.answer !== null
    const sequence = this.#ask(vcpu)
    this.#links.send(this.#nodes.home, {
      ...{ of: "io", vcpu, sequence, address: hex(address), width, value: value === null ? null : hex(value) },
    })
    return false
  }

  #isCallReady(vcpu: Vcpu): boolean {
    const { index } = vcpu
    const asked = this.#asked.get(index)
    if (asked !== undefined) return asked.answer !== null
    const registers = this.#registersOf(vcpu)
    const extension = registers[ARGUMENTS - 1]
    const sequence = this.#ask(index)
    // The timer is the vCPU's own; everything else is a matter of all of them or of a device.
    if (extension === Extension.time || extension === Extension.legacySetTimer) {
      vcpu.file.set(Slot.stimecmp, registers[0] ?? 0n)
      this.#answer(index, sequence, { of: "call", error: 0n, value: extension === Extension.time ? 0n : null, state: null, resume: null })
    } else if (this.#home !== null) {
      this.#home.call(index, registers, (answer) => this.#answer(index, sequence, { of: "call", ...answer }))
    } else this.#links.send(this.#nodes.home, { of: "call", vcpu: index, sequence, registers: registers.map(hex) })
    return this.#asked.get(index)?.answer !== null
  }

  #registersOf({ index }: Vcpu): readonly bigint[] {
    const vm = defined(this.#vm ?? undefined, "a vCPU that runs is of a VM")
    return Array.from({ length: ARGUMENTS }, (_, register) => vm.side.register(index, A0 + register))
  }

  /** It is held until it is answered. */
  #ask(vcpu: number): number {
    const sequence = ++this.#sequence
    this.#asked.set(vcpu, { sequence, answer: null })
    this.#waiting.set(vcpu, "answer")
    return sequence
  }

  #answer(vcpu: number, sequence: number, answer: Answer): void {
    const asked = this.#asked.get(vcpu)
    if (asked?.sequence !== sequence) return
    asked.answer = answer
    this.#waiting.delete(vcpu)
  }

  #onBody(from: number, body: LinkBody): void {
    const vm = this.#vm
    if (vm === null) return
    switch (body.of) {
      case "io": {
        vm.side.keepUp(this.#now)
        const { vcpu, sequence, address, width, value } = body
        const use = { address: BigInt(address), width, value: value === null ? null : BigInt(value) }
        return this.#home?.use(use, (found) =>
          this.#links.send(from, { of: "io-done", vcpu, sequence, value: hex(found ?? 0n), absent: found === null }),
        )
      }
      case "call": {
        const { vcpu, sequence, registers } = body
        return this.#home?.call(vcpu, registers.map(BigInt), ({ error, value, state, resume }) =>
          this.#links.send(from, {
            ...{ of: "call-done", vcpu, sequence, error: hex(error), value: value === null ? null : hex(value), state },
            resume: resume === null ? null : { pc: hex(resume.pc), opaque: hex(resume.opaque) },
          }),
        )
      }
      case "fenced":
        return this.#home?.onFenced(from, body.sequence)
      case "end":
        return this.#onEnd(body)
      default:
        return this.#onHomeSaid(vm, from, body)
    }
  }

  #onHomeSaid(vm: Vm, home: number, body: Exclude<LinkBody, { of: "io" | "call" | "fenced" | "end" }>): void {
    switch (body.of) {
      case "io-done":
        return this.#answer(body.vcpu, body.sequence, { of: "io", value: body.absent ? null : BigInt(body.value) })
      case "call-done": {
        const { vcpu, sequence, error, value, state, resume } = body
        return this.#answer(vcpu, sequence, {
          ...{ of: "call", error: BigInt(error), value: value === null ? null : BigInt(value), state },
          resume: resume === null ? null : { pc: BigInt(resume.pc), opaque: BigInt(resume.opaque) },
        })
      }
      case "lines":
        return void this.#lines.set(body.vcpu, BigInt(body.lines))
      case "begin":
        return vm.vcpus[body.vcpu]?.begin({ pc: BigInt(body.pc), opaque: BigInt(body.opaque) })
      case "software":
        return setSoftware(vm, body.vcpu, body.pending)
      case "fence":
        for (const vcpu of body.vcpus) vm.vcpus[vcpu]?.mmu.fence({ address: null, addressSpace: null })
        return this.#links.send(home, { of: "fenced", sequence: body.sequence })
    }
  }

  #onEnd({ exit, reason }: Extract<LinkBody, { of: "end" }>): void {
    this.#end ??= { exit, reason }
    this.#waiting.clear()
    if (reason !== "stuck") this.#vm?.side.end({ kind: "end", reason, code: exit })
  }

  #onChange(page: number): void {
    for (const [vcpu, waits] of this.#waiting)
      if (waits !== "answer" && (waits.page === page || waits.page === null)) this.#waiting.delete(vcpu)
  }

  #lose(reason: string): void {
    if (this.#lostFor !== null) return
    this.#lostFor = reason
    this.#options.onLost(reason)
  }

  #broughtFor(vcpu: number): Set<number> {
    const known = this.#brought.get(vcpu) ?? new Set<number>()
    this.#brought.set(vcpu, known)
    return known
  }

  #letGo(): void {
    const waits = this.#waiting.size > 0
    const next = this.#pages?.letGo({ goOn: !waits, wait: waits }) ?? null
    if (next === null || (this.#holdsAt > this.#now && this.#holdsAt <= next)) return
    this.#holdsAt = next
    this.#options.say(timer(`pages/${this.space}/holds`, virtualTime(Math.ceil(next))))
  }

  /** The board's timers of vCPUs elsewhere ring by the clock of the machine: nobody here may be running then. */
  #setClock(home: VmHome): void {
    const deadline = home.nextTimer()
    if (deadline === null) return
    const at = Math.max(this.#now + 1, Math.min(Number(deadline) * INSTRUCTIONS_PER_TICK, Number.MAX_SAFE_INTEGER))
    if (this.#timerAt > this.#now && this.#timerAt <= at) return
    this.#timerAt = at
    this.#options.say(timer(`pages/${this.space}/clock`, virtualTime(at)))
  }
}
