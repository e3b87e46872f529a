/** An operator in a simulated machine: asks the hypervisor for VMs and types at their consoles, as the command line does. */
import { NodeMachine } from "@backplane/compute-node/node"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Body } from "@backplane/foundation-actor/machine"
import { after } from "@backplane/foundation-actor/virtual-time"
import type { World } from "@backplane/foundation-simulation/world"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { ConsoleAnswer, ConsoleTyped, VmAnswer, VmOperation } from "@backplane/trap-contract/vm-operator-messages"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"

const OPERATOR = actorId("operator.test")
type Answer = VmAnswer | ConsoleAnswer | ConsoleTyped
const WAIT_TICKS = 400

export class VmOperator {
  readonly #world: World
  readonly #tickCycles: number
  readonly #answers = new Map<string, Answer>()
  #requests = 0

  constructor(world: World, tickCycles: number) {
    this.#world = world
    this.#tickCycles = tickCycles
    world.onMessage(({ to, body }) => {
      if (to === OPERATOR && "request" in body) this.#answers.set(String(body.request), body as Answer)
    })
  }

  create(spec: VmSpec, start = true): VmAnswer {
    return this.#ask({ kind: "VmCreateAsk", spec, start }) as VmAnswer
  }

  control(vm: string, operation: VmOperation): VmAnswer {
    return this.#ask({ kind: "VmControlAsk", vm, operation }) as VmAnswer
  }

  move(vm: string, to: number): VmAnswer {
    return this.#ask({ kind: "VmMoveAsk", vm, to }) as VmAnswer
  }

  list(): VmAnswer["vms"] {
    return (this.#ask({ kind: "VmListAsk" }) as VmAnswer).vms
  }

  stateOf(vm: string): string {
    return this.list().find(({ spec }) => spec.name === vm)?.state ?? "none"
  }

  read(vm: string, from: number): { readonly from: number; readonly text: string } {
    const { from: start, data } = this.#ask({ kind: "ConsoleAsk", vm, from }) as ConsoleAnswer
    return { from: start, text: Buffer.from(data, "base64").toString("latin1") }
  }

  type(vm: string, seq: number, text: string): ConsoleTyped {
    const data = Buffer.from(text, "latin1").toString("base64")
    return this.#ask({ kind: "ConsoleType", vm, writer: "test", seq, data }) as ConsoleTyped
  }

  /** Goes on until it is so, or fails. */
  until(what: string, isSo: () => boolean): void {
    for (let tries = 0; tries < WAIT_TICKS && !isSo(); tries++) this.ticks(2)
    if (!isSo()) throw new Error(`never: ${what}`)
  }

  /** No task of node 0 runs or is about to. */
  isIdle(): boolean {
    const node = this.#world.inspect(actorId("node.0"), NodeMachine)?.inspect()
    return node?.tasks.every(({ state }) => state === "blocked") ?? true
  }

  ticks(ticks: number): void {
    this.#world.run({ until: after(this.#world.now, ticks * this.#tickCycles) })
  }

  #ask(body: Body & Readonly<Record<string, unknown>>): Answer {
    const request = `r${this.#requests++}`
    this.#world.inject({ from: OPERATOR, to: HYPERVISOR, body: { ...body, request } as Body })
    let answer: Answer | undefined
    this.#world.run({
      until: after(this.#world.now, WAIT_TICKS * this.#tickCycles),
      stop: () => (answer = this.#answers.get(request)) !== undefined,
    })
    if (answer === undefined) throw new Error(`no answer to ${JSON.stringify(body)}`)
    return answer
  }
}
