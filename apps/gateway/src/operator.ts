/** The gateway as the operator's hand on the bus: asks hypervisors and the stack's supervisor, with a deadline each. */
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { askActor } from "@backplane/foundation-runtime/ask-actor"
import { memoryController } from "@backplane/scenario-machine/topology"
import type { NatsConnection } from "@nats-io/nats-core"

const ANSWER_MILLISECONDS = 5_000
const REPEAT_MILLISECONDS = 1_000
const POWER_SUBJECT = "bp.ctl.host.stack"
const HYPERVISOR = actorId("hypervisor.0")

export type OperatorAnswer = Readonly<Record<string, Json>>

export type Question = { readonly kind: string } & Readonly<Record<string, Json>>

export class NoAnswer extends Error {}

export interface Operator {
  /** A request to the hypervisor of a machine, answered with the same `request`. */
  askHypervisor(machine: string, question: Question): Promise<OperatorAnswer>
  /** The same to a memory controller of a machine, by its number. */
  askMemory(machine: string, question: Question, index: number): Promise<OperatorAnswer>
  /** The stack's supervisor: report, power. */
  askStack(request: Readonly<Record<string, Json>>): Promise<OperatorAnswer>
}

export function operatorOn(connection: NatsConnection, instance: string): Operator {
  let asked = 0
  const ask = async (
    { machine, actor, name }: { readonly machine: string; readonly actor: ActorId; readonly name: string },
    question: Question,
  ): Promise<OperatorAnswer> => {
    const from = actorId(`gateway.${instance.replaceAll(/[^a-z0-9]/g, "")}-${++asked}`)
    const times = { repeatMilliseconds: REPEAT_MILLISECONDS, patienceMilliseconds: ANSWER_MILLISECONDS }
    const asking = { connection, machine, from, to: actor, ...times }
    const answer = await askActor<OperatorAnswer & { readonly request: string }>(asking, question)
    if (answer === null) throw new NoAnswer(`the ${name} of ${machine} does not answer`)
    return answer
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
