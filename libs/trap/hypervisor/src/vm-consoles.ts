/**
 * The consoles of VMs between nodes and operators: a history of what was written, and what was typed and is not taken yet.
 *
 * A console goes on over the lives of its VM; its bytes are counted from the first. Questions for more than there is wait a while, so that a
 * terminal sees a byte as soon as it is here. Nothing of it is on disk: a hypervisor that begins anew has no history.
 */
import { send, timer } from "@backplane/foundation-actor/effects"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import type { VirtualTime } from "@backplane/foundation-actor/virtual-time"
import { decodeBase64, encodeBase64 } from "@backplane/foundation-base/base64"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { CONSOLE_CHUNK_BYTES, type VmInputTaken, type VmOutput } from "@backplane/trap-contract/vm-messages"
import type { ConsoleAsk, ConsoleType } from "@backplane/trap-contract/vm-operator-messages"
import type { HypervisorContext, Out } from "./hypervisor-context.ts"
import type { VmRecord, VmTable } from "./vm-table.ts"

const HISTORY_BYTES = 64 * 1024
const INPUT_BYTES_MAX = 64 * 1024
const WAITING_MAX = 64
const WRITERS_MAX = 64
/** A question waits at most so long for an answer, in tenths of a second of the machine. */
const WAIT_TENTHS = 5
export const CONSOLE_TIMER = "console"

/** A VM that is being moved goes on listening where it goes to. */
const RUNNING: ReadonlySet<string> = new Set(["running", "moving"])
const LISTENING: ReadonlySet<string> = new Set([...RUNNING, "paused"])

interface ConsoleState {
  /** The last bytes written, which end at byte `end` of the console. */
  history: Uint8Array
  end: number
  /** Bytes of the present life that are here. */
  lifeSeen: number
  /** Typed and not known to be taken, from byte `inputBase` of the life on. */
  input: Uint8Array
  inputBase: number
  /** Whether `inputBase` is what the node says, too. */
  synced: boolean
  /** By writer: the last piece and what was taken of it. */
  readonly writers: Map<string, { readonly seq: number; readonly taken: number }>
}

interface Waiting {
  readonly operator: ActorId
  readonly ask: ConsoleAsk
  readonly until: VirtualTime
}

export class VmConsoles {
  readonly #context: HypervisorContext
  readonly #vms: VmTable
  readonly #consoles = new Map<string, ConsoleState>()
  #waiting: Waiting[] = []

  constructor(parts: { readonly context: HypervisorContext; readonly vms: VmTable }) {
    this.#context = parts.context
    this.#vms = parts.vms
  }

  /** A life begins; of one that is known from before, the node knows how far its input is. */
  onLife({ spec }: VmRecord, life: "new" | "known"): void {
    const console = this.#of(spec.name)
    Object.assign(console, { lifeSeen: 0, input: new Uint8Array(0), inputBase: 0, synced: life === "new" })
  }

  forget(vm: string): void {
    this.#consoles.delete(vm)
  }

  bytesOf(vm: string): number {
    return this.#consoles.get(vm)?.end ?? 0
  }

  /** Bytes typed that its node has not taken, as far as it said. */
  inputOf(vm: string): number {
    return this.#consoles.get(vm)?.input.length ?? 0
  }

  /** Something typed is not taken yet. */
  get isUnderWay(): boolean {
    return [...this.#consoles].some(([vm, { input }]) => input.length > 0 && RUNNING.has(this.#vms.get(vm)?.state ?? "unknown"))
  }

  onOutput(now: VirtualTime, from: ActorId, { vm, life, offset, data }: VmOutput, out: Out): void {
    const bytes = decodeBase64(data)
    const record = this.#vms.get(vm)
    if (record?.life !== life) return void out.push(send(from, { kind: "VmOutputSeen", vm, life, upTo: offset + bytes.length }))
    const console = this.#of(vm)
    // A gap: an earlier life of ours has seen what is missing.
    const known = Math.max(0, console.lifeSeen - offset)
    const fresh = bytes.subarray(Math.min(known, bytes.length))
    console.lifeSeen = Math.max(console.lifeSeen, offset + bytes.length)
    out.push(send(from, { kind: "VmOutputSeen", vm, life, upTo: console.lifeSeen }))
    if (fresh.length === 0) return
    console.history = joined(console.history, fresh).slice(-HISTORY_BYTES)
    console.end += fresh.length
    this.#answerWaiting(now, out)
  }

  onTaken({ vm, life, upTo }: VmInputTaken, out: Out): void {
    const console = this.#consoles.get(vm)
    const record = this.#vms.get(vm)
    if (console === undefined || record?.life !== life) return
    const moved = upTo - console.inputBase
    if (!console.synced) console.synced = true
    else console.input = console.input.slice(Math.max(0, moved))
    console.inputBase = Math.max(upTo, console.inputBase)
    if (moved > 0) this.#sendInput(record, console, out)
  }

  onAsk(now: VirtualTime, operator: ActorId, ask: ConsoleAsk, out: Out): void {
    const console = this.#consoles.get(ask.vm)
    if (this.#vms.get(ask.vm) === undefined || console === undefined || ask.from < console.end) return this.#answer(operator, ask, out)
    this.#waiting = this.#waiting.filter((waiting) => waiting.operator !== operator)
    const { cyclesPerSecond } = this.#context.spec.clock
    this.#waiting.push({ operator, ask, until: (now + (cyclesPerSecond * WAIT_TENTHS) / 10) as VirtualTime })
    if (this.#waiting.length > WAITING_MAX) this.#waiting.splice(0, 1)
    this.#arm(out)
  }

  onTimer(now: VirtualTime, out: Out): void {
    this.#answerWaiting(now, out)
  }

  onType(operator: ActorId, { request, vm, writer, seq, data }: ConsoleType, out: Out): void {
    const record = this.#vms.get(vm)
    const console = this.#consoles.get(vm)
    const state = record?.state ?? "unknown"
    if (record === undefined || console === undefined || !LISTENING.has(state))
      return void out.push(send(operator, { kind: "ConsoleTyped", request, taken: 0, state }))
    const last = console.writers.get(writer)
    let taken = last?.seq === seq ? last.taken : 0
    if (last === undefined || seq > last.seq) {
      const bytes = decodeBase64(data)
      taken = Math.min(bytes.length, INPUT_BYTES_MAX - console.input.length)
      const isFirst = console.input.length === 0
      console.input = joined(console.input, bytes.subarray(0, taken))
      console.writers.delete(writer)
      console.writers.set(writer, { seq, taken })
      if (console.writers.size > WRITERS_MAX)
        for (const oldest of console.writers.keys()) {
          console.writers.delete(oldest)
          break
        }
      if (isFirst) this.#sendInput(record, console, out)
    }
    out.push(send(operator, { kind: "ConsoleTyped", request, taken, state }))
  }

  repeat(out: Out): void {
    for (const [vm, console] of this.#consoles) {
      const record = this.#vms.get(vm)
      if (record !== undefined && RUNNING.has(record.state) && console.input.length > 0) this.#sendInput(record, console, out)
    }
  }

  #sendInput({ spec, life, node }: VmRecord, console: ConsoleState, out: Out): void {
    if (node === null || console.input.length === 0) return
    const piece = console.synced ? console.input.subarray(0, CONSOLE_CHUNK_BYTES) : new Uint8Array(0)
    out.push(send(nodeActor(node), { kind: "VmInput", vm: spec.name, life, offset: console.inputBase, data: encodeBase64(piece) }))
  }

  #answerWaiting(now: VirtualTime, out: Out): void {
    const ready = this.#waiting.filter(({ ask, until }) => until <= now || ask.from < this.bytesOf(ask.vm))
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting))
    for (const { operator, ask } of ready) this.#answer(operator, ask, out)
    this.#arm(out)
  }

  #answer(operator: ActorId, { request, vm, from }: ConsoleAsk, out: Out): void {
    const console = this.#consoles.get(vm)
    const state = this.#vms.get(vm)?.state ?? "unknown"
    const start = console === undefined ? 0 : Math.min(console.end, Math.max(from, console.end - console.history.length))
    const piece = console?.history.subarray(console.history.length - (console.end - start)).subarray(0, CONSOLE_CHUNK_BYTES)
    out.push(send(operator, { kind: "ConsoleAnswer", request, from: start, data: encodeBase64(piece ?? new Uint8Array(0)), state }))
  }

  #arm(out: Out): void {
    const first = this.#waiting.reduce((least, { until }) => Math.min(least, until), Infinity)
    if (first !== Infinity) out.push(timer(CONSOLE_TIMER, first as VirtualTime))
  }

  #of(vm: string): ConsoleState {
    const known = this.#consoles.get(vm)
    if (known !== undefined) return known
    const none = new Uint8Array(0)
    const made = { history: none, end: 0, lifeSeen: 0, input: none, inputBase: 0, synced: true, writers: new Map() }
    this.#consoles.set(vm, made)
    return made
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}
