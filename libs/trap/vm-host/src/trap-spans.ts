/**
 * The traces of traps whose exits are handled by the hypervisor: one trace from the trap of a user program to the instruction at which it goes
 * on, over node and hypervisor, with the numbered steps of OSTEP's tables B.3 (system call) and B.5 (TLB miss, software TLB).
 *
 * One traps object a vCPU. Most traps of a busy guest are not traced: of calls and of misses the first ones, then one in so many,
 * one after a while of the guest's time without any, and those that were armed.
 */
import { closeSpan, openSpan } from "@backplane/foundation-actor/effects"
import type { Attributes } from "@backplane/foundation-actor/trace-context"
import type { SpanEffect } from "@backplane/foundation-actor/machine"
import { TIMEBASE_HZ } from "@backplane/trap-devices/device-tree/virt-tree"

/** Numbers of the steps in the tables (trap/vmm's ostep-tables.ts). */
const STEPS = {
  call: { trap: 1, enter: 2, inside: 3, write: 3, issue: null, leave: 4, resume: 5 },
  // The return that the handler issues is a step of its own there, before the VMM's.
  miss: { trap: 1, enter: 2, inside: 3, write: 4, issue: 5, leave: 6, resume: 7 },
} as const
type Flow = keyof typeof STEPS

const FIRST = 16
const EVERY = 256
/** In ticks of the guest's clock. A busy guest's time hardly passes; of one that seldom does anything each trap may be looked at. */
const QUIET_TICKS = 2 * TIMEBASE_HZ

/** What an exit is to the trap that is followed. */
export type ExitRole = "call" | "miss" | "write" | "return-to-user" | "other"

export class TrapSpans {
  readonly #name: string
  readonly #attributes: Attributes
  /** The trap that is followed now. */
  #flow: Flow | null = null
  #isInHandler = false
  readonly #seen = { call: 0, miss: 0 }
  /** When one was traced last, by the guest's clock. */
  readonly #tracedAt = { call: 0, miss: 0 }
  #armed = 0

  constructor(name: string, attributes: Attributes) {
    this.#name = name
    this.#attributes = attributes
  }

  /** The next so many traps are traced, whatever comes. */
  arm(traps: number): void {
    this.#armed += traps
  }

  /** An exit is asked about, at `time` by the guest's clock: the span that the question belongs to, its step, and what opens before. */
  onAsk(
    { role, cause, time }: { readonly role: ExitRole; readonly cause: string; readonly time: number },
    out: SpanEffect[],
  ): { readonly span: string; readonly step: number } | null {
    if (role === "call" || (role === "miss" && this.#flow === null)) this.#begin(role, { cause, time }, out)
    if (this.#flow === null) return null
    const steps = STEPS[this.#flow]
    if (!this.#isInHandler) return { span: this.#trapKey, step: steps.enter }
    if (role === "return-to-user") {
      if (steps.issue !== null) {
        const attributes = { ...this.#attributes, "backplane.step": steps.issue }
        out.push(openSpan(this.#returnKey, "guest.return", attributes, { under: this.#handlerKey }), closeSpan(this.#returnKey))
      }
      return { span: this.#trapKey, step: steps.leave }
    }
    return { span: this.#handlerKey, step: role === "write" ? steps.write : steps.inside }
  }

  /** It is answered and done: the guest goes on in user mode or not. */
  onDone(isUser: boolean, out: SpanEffect[]): void {
    if (this.#flow === null) return
    const steps = STEPS[this.#flow]
    if (!isUser && !this.#isInHandler) {
      this.#isInHandler = true
      out.push(openSpan(this.#handlerKey, "guest.handler", { ...this.#attributes, "backplane.step": steps.inside }))
    } else if (isUser) {
      this.#flow = null
      if (this.#isInHandler) out.push(closeSpan(this.#handlerKey))
      this.#isInHandler = false
      out.push(openSpan(this.#resumeKey, "guest.resume", { ...this.#attributes, "backplane.step": steps.resume }))
      out.push(closeSpan(this.#resumeKey), closeSpan(this.#trapKey))
    }
  }

  #begin(flow: Flow, { cause, time }: { readonly cause: string; readonly time: number }, out: SpanEffect[]): void {
    if (this.#flow !== null) out.push(closeSpan(this.#handlerKey), closeSpan(this.#trapKey, {}, "the vCPU went on with another program"))
    this.#flow = null
    this.#isInHandler = false
    this.#seen[flow]++
    const isArmed = this.#armed > 0
    const isDue = this.#seen[flow] <= FIRST || this.#seen[flow] % EVERY === 0 || time - this.#tracedAt[flow] >= QUIET_TICKS
    if (!isArmed && !isDue) return
    if (isArmed) this.#armed--
    this.#tracedAt[flow] = time
    this.#flow = flow
    const attributes = { ...this.#attributes, "backplane.cause": cause, "backplane.step": STEPS[flow].trap }
    out.push(openSpan(this.#trapKey, `trap ${cause}`, attributes, { root: true }))
  }

  get #trapKey(): string {
    return `trap/${this.#name}`
  }
  get #handlerKey(): string {
    return `handler/${this.#name}`
  }
  get #returnKey(): string {
    return `return/${this.#name}`
  }
  get #resumeKey(): string {
    return `resume/${this.#name}`
  }
}
