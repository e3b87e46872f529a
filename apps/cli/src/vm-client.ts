/**
 * Talks to the hypervisor of a machine about its VMs, as an operator.
 */
import { randomUUID } from "node:crypto"
import type { Json } from "@backplane/foundation-base/json"
import type { ConsoleAnswer, ConsoleTyped, VmAnswer, VmOperation, VmView } from "@backplane/trap-contract/vm-operator-messages"
import { CONSOLE_CHUNK_BYTES, TRAPS_TRACED_MAX, VM_NAME_CHARACTERS_MAX } from "@backplane/trap-contract/vm-messages"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import { answerOf } from "./ask-hypervisor.ts"
import { bad, CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

const POLL_MILLISECONDS = 50

type Question = { readonly kind: string } & Readonly<Record<string, unknown>>
type Answer = VmAnswer | ConsoleAnswer | ConsoleTyped

/** What a terminal needs of it. */
export interface ConsolePort {
  read(vm: string, from: number): Promise<{ readonly from: number; readonly bytes: Uint8Array; readonly state: ConsoleAnswer["state"] }>
  /** How many of the bytes were taken: the first so many. */
  type(vm: string, bytes: Uint8Array): Promise<{ readonly taken: number; readonly state: ConsoleTyped["state"] }>
  /** Bytes typed that the guest has not read, as far as hypervisor and node say. */
  unread(vm: string): Promise<number>
}

/** A hypervisor does not answer what cannot be a question. */
function checkName(vm: string, machine: string): void {
  if (vm.length >= 1 && vm.length <= VM_NAME_CHARACTERS_MAX) return
  throw new CommandFailure("unknown-vm", `${machine} has no VM ${JSON.stringify(vm)}; \`backplane vm list\` shows them`)
}

export class VmClient implements ConsolePort {
  readonly #client: StackClient
  readonly #machine: string
  /** As whom it types: a piece that is said again is not typed twice. */
  readonly #writer = `cli-${process.pid}-${randomUUID().slice(0, 8)}`
  #typed = 0

  constructor(client: StackClient, machine: string) {
    this.#client = client
    this.#machine = machine
  }

  create(spec: VmSpec, start: boolean): Promise<VmView> {
    return this.#control({ kind: "VmCreateAsk", spec, start })
  }

  /** Begins it; `waitFor` says when it is so. Null: it is gone already, as one that was destroyed and never ran. */
  async control(vm: string, operation: VmOperation): Promise<VmView | null> {
    checkName(vm, this.#machine)
    return (await this.#accepted({ kind: "VmControlAsk", vm, operation }))[0] ?? null
  }

  /** Begins a move; `VmView.move` says what becomes of it. */
  move(vm: string, to: number): Promise<VmView> {
    return this.#control({ kind: "VmMoveAsk", vm, to })
  }

  /** Its next so many traps shall be traced. */
  async trace(vm: string, traps: number): Promise<void> {
    checkName(vm, this.#machine)
    if (traps > TRAPS_TRACED_MAX) throw bad("n", `${traps} traps are too many; give 1 to ${TRAPS_TRACED_MAX}`)
    await this.#accepted({ kind: "VmTraceAsk", vm, traps })
  }

  async list(): Promise<readonly VmView[]> {
    return ((await this.#ask({ kind: "VmListAsk" })) as VmAnswer).vms
  }

  /** The VM, or null where there is none of that name. */
  async find(vm: string): Promise<VmView | null> {
    return (await this.list()).find(({ spec }) => spec.name === vm) ?? null
  }

  /** Until the VM is as wanted (null: is gone), or will never be. */
  async waitFor(vm: string, isSo: (view: VmView | null) => boolean, milliseconds = 30_000): Promise<VmView | null> {
    const deadline = Date.now() + milliseconds
    for (;;) {
      const view = await this.find(vm)
      if (isSo(view)) return view
      if (view?.state === "refused" || view?.state === "lost")
        throw new CommandFailure(view.state, `${vm} is ${view.state}: ${view.reason}`)
      if (Date.now() > deadline)
        throw new CommandFailure("stalled", `${vm} is still ${view?.state ?? "gone"} after ${milliseconds / 1000} s`)
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
    }
  }

  async read(vm: string, from: number): ReturnType<ConsolePort["read"]> {
    const answer = (await this.#ask({ kind: "ConsoleAsk", vm, from })) as ConsoleAnswer
    return { from: answer.from, bytes: Buffer.from(answer.data, "base64"), state: answer.state }
  }

  async type(vm: string, bytes: Uint8Array): ReturnType<ConsolePort["type"]> {
    const data = Buffer.from(bytes.subarray(0, CONSOLE_CHUNK_BYTES)).toString("base64")
    this.#typed++
    const answer = (await this.#ask({ kind: "ConsoleType", vm, writer: this.#writer, seq: this.#typed, data })) as ConsoleTyped
    return { taken: answer.taken, state: answer.state }
  }

  async unread(vm: string): Promise<number> {
    const view = await this.find(vm)
    if (view === null) return 0
    const onNode = await inspectOnNode(this.#client, this.#machine, view).catch((error: unknown) => {
      if (error instanceof CommandFailure) return null // a node that is silent now
      throw error
    })
    return (view.inputWaiting ?? 0) + Number(onNode?.["inputUnread"] ?? 0)
  }

  async #control(question: Question): Promise<VmView> {
    const [view] = await this.#accepted(question)
    if (view === undefined) throw new CommandFailure("refused", "refused")
    return view
  }

  async #accepted(question: Question): Promise<readonly VmView[]> {
    const { answer, reason, vms } = (await this.#ask(question)) as VmAnswer
    if (answer === "refused") throw new CommandFailure("refused", reason === "" ? "refused" : reason)
    return vms
  }

  #ask(question: Question): Promise<Answer> {
    return answerOf<Answer>(this.#client, this.#machine, question)
  }
}

interface NodeVmsInspection {
  readonly vms: {
    readonly vms: readonly ({ readonly vm: string } & Readonly<Record<string, Json>>)[]
    readonly ended: readonly ({ readonly vm: string } & Readonly<Record<string, Json>>)[]
  } | null
}

/** What the node that has or had a VM says of it; null where it says nothing. */
export async function inspectOnNode(client: StackClient, machine: string, view: VmView): Promise<Readonly<Record<string, Json>> | null> {
  if (view.node === null) return null
  const node = (await client.inspect(machine, `node.${view.node}`)) as unknown as NodeVmsInspection | null
  const all = [...(node?.vms?.vms ?? []), ...(node?.vms?.ended ?? [])]
  return all.find(({ vm }) => vm === view.spec.name) ?? null
}
