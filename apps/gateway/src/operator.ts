/** The gateway as the operator's hand on the bus: asks hypervisors and the stack's supervisor, with a deadline each. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { askActor } from "@backplane/foundation-runtime/ask-actor"
import { memoryController } from "@backplane/scenario-machine/topology"
import type { NatsConnection } from "@nats-io/nats-core"

const ANSWER_MILLISECONDS = 5_000
const REPEAT_MILLISECONDS = 1_000
const LIST_MILLISECONDS = 1_000
const POWER_SUBJECT = "bp.ctl.host.stack"
/** Of the office of machines. */
export const MACHINES_SUBJECT = "bp.ctl.machines"
const HYPERVISOR = actorId("hypervisor.0")

export type OperatorAnswer = Readonly<Record<string, Json>>

export type Question = { readonly kind: string } & Readonly<Record<string, Json>>

export class NoAnswer extends Error {}

/** There is no machine of the name. */
export class NoMachine extends Error {
  readonly names: readonly string[]

  constructor(machine: string, names: readonly string[]) {
    super(`there is no machine ${machine}`)
    this.names = names
  }
}

export interface Operator {
  /** A request to the hypervisor of a machine, answered with the same `request`. */
  askHypervisor(machine: string, question: Question): Promise<OperatorAnswer>
  /** The same to a memory controller of a machine, by its number. */
  askMemory(machine: string, question: Question, index: number): Promise<OperatorAnswer>
  /** The stack's supervisor: report, power. */
  askStack(request: Readonly<Record<string, Json>>): Promise<OperatorAnswer>
}

export function operatorOn(connection: Pick<NatsConnection, "request" | "subscribe" | "publish">, instance: string): Operator {
  let asked = 0
  const known = new Set<string>()
  /** Nobody would answer for a machine that there is not, and the asker would wait for that. Where the office is silent it is not known; where there
   * is none at all the first may just be made, and is awaited. */
  const mustBeThere = async (machine: string, when: "early" | "late"): Promise<void> => {
    const names = await machineNames(connection)
    if (names === null || (names.length === 0 && when === "early")) return
    known.clear()
    for (const name of names) known.add(name)
    if (!known.has(machine)) throw new NoMachine(machine, names)
  }
  const ask = async (
    { machine, actor, name }: { readonly machine: string; readonly actor: ActorId; readonly name: string },
    question: Question,
  ): Promise<OperatorAnswer> => {
    if (!known.has(machine)) await mustBeThere(machine, "early")
    const from = actorId(`gateway.${instance.replaceAll(/[^a-z0-9]/g, "")}-${++asked}`)
    const times = { repeatMilliseconds: REPEAT_MILLISECONDS, patienceMilliseconds: ANSWER_MILLISECONDS }
    const asking = { connection, machine, from, to: actor, ...times }
    const answer = await askActor<OperatorAnswer & { readonly request: string }>(asking, question)
    if (answer !== null) return answer
    await mustBeThere(machine, "late")
    throw new NoAnswer(`the ${name} of ${machine} does not answer`)
  }
  return {
    askHypervisor: (machine, question) => ask({ machine, actor: HYPERVISOR, name: "hypervisor" }, question),
    askMemory: (machine, question, index) => ask({ machine, actor: memoryController(index), name: `memory controller ${index}` }, question),
    askStack: async (request) => {
      try {
        return (await connection.request(POWER_SUBJECT, JSON.stringify(request), { timeout: ANSWER_MILLISECONDS })).json<OperatorAnswer>()
      } catch {
        throw new NoAnswer("no supervisor answers: the services were not started by `npm start`")
      }
    },
  }
}

/** Null: the office does not answer. */
async function machineNames(connection: Pick<NatsConnection, "request">): Promise<readonly string[] | null> {
  try {
    const reply = await connection.request(MACHINES_SUBJECT, JSON.stringify({ op: "list" }), { timeout: LIST_MILLISECONDS })
    return reply.json<{ readonly machines: readonly { readonly machine: string }[] }>().machines.map(({ machine }) => machine)
  } catch {
    return null
  }
}
