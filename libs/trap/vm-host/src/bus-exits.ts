/**
 * The exits of one VM that the hypervisor handles: asked about one by one, repeated until answered, and done when the answer is there.
 *
 * At most one a vCPU is on the way: the vCPU waits for it. Sequences grow, so a late answer is known by its number.
 */
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import type { VmEntry, VmExit } from "@backplane/trap-contract/vm-exit-messages"
import type { VmSaying } from "@backplane/trap-contract/vm-host"
import type { HostedVm } from "./hosted-vm.ts"
import { TrapSpans } from "./trap-spans.ts"

export type Say = (...said: readonly (VmSaying | SpanEffect)[]) => void

interface Asked {
  readonly body: VmExit
  readonly span: string | null
}

export class BusExits {
  readonly #hosted: Pick<HostedVm, "vm" | "spec" | "life">
  readonly #node: number
  readonly #say: Say
  /** By vCPU. */
  readonly #asked = new Map<number, Asked>()
  readonly #sequences: number[]
  readonly #spans: readonly TrapSpans[]

  constructor(hosted: Pick<HostedVm, "vm" | "spec" | "life">, node: number, say: Say) {
    this.#hosted = hosted
    this.#node = node
    this.#say = say
    const { name, cpus } = hosted.spec
    this.#sequences = new Array<number>(cpus).fill(0)
    this.#spans = this.#sequences.map((_, vcpu) => {
      const attributes = { "backplane.vm": name, "backplane.vcpu": vcpu, "backplane.node": node }
      return new TrapSpans(`${name}.${vcpu}`, attributes)
    })
  }

  get unanswered(): number {
    return this.#asked.size
  }

  arm(traps: number): void {
    for (const spans of this.#spans) spans.arm(traps)
  }

  /** A vCPU has left with an exit that is not ours to handle. */
  ask(vcpu: number): void {
    if (this.#asked.has(vcpu)) return
    const held = this.#hosted.vm.heldExits.question(vcpu)
    if (held === null) return
    const sequence = (this.#sequences[vcpu] ?? 0) + 1
    this.#sequences[vcpu] = sequence
    const spans: SpanEffect[] = []
    const { role, cause } = held
    const place = this.#spans[vcpu]?.onAsk({ role, cause, time: Number(this.#hosted.vm.time()) }, spans) ?? null
    const { name } = this.#hosted.spec
    const { life } = this.#hosted
    const step = place === null ? {} : { step: place.step }
    const body: VmExit = { kind: "VmExit", vm: name, life, vcpu, sequence, node: this.#node, ...held.question, ...step }
    this.#asked.set(vcpu, { body, span: place?.span ?? null })
    this.#say(...spans, this.#saying(vcpu))
  }

  onEntry({ vcpu, sequence, answer }: VmEntry): void {
    if (this.#asked.get(vcpu)?.body.sequence !== sequence) return
    this.#asked.delete(vcpu)
    this.#hosted.vm.heldExits.answer(vcpu, answer)
    const spans: SpanEffect[] = []
    this.#spans[vcpu]?.onDone(this.#hosted.vm.heldExits.isInUserMode(vcpu), spans)
    this.#say(...spans)
    this.ask(vcpu) // it may have left again in another way, and nobody runs it while it is held
  }

  repeat(): void {
    for (const vcpu of this.#asked.keys()) this.#say(this.#saying(vcpu))
  }

  #saying(vcpu: number): VmSaying {
    const asked = this.#asked.get(vcpu)
    if (asked === undefined) throw new Error("an exit that is said was asked about")
    return asked.span === null ? { body: asked.body } : { body: asked.body, span: asked.span }
  }
}
