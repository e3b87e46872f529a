/** The gateway as the operator's hand on the bus: asks hypervisors and the stack's supervisor, with a deadline each. */
import { randomUUID } from "node:crypto"
import { actorId, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Json } from "@backplane/foundation-base/json"
import { subjectOf } from "@backplane/foundation-runtime/subjects"
import { memoryController } from "@backplane/scenario-machine/topology"
import type { NatsConnection } from "@nats-io/nats-core"

const ANSWER_MILLISECONDS = 5_000
const REPEAT_MILLISECONDS = 1_000
const POWER_SUBJECT = "bp.ctl.host.stack"
const HYPERVISOR = actorId("hypervisor.0")

export type OperatorAnswer = Readonly<Record<string, Json>>

export class NoAnswer extends Error {}

export interface Operator {
  /** A request to the hypervisor of a machine, answered with the same `request`. */
  askHypervisor(machine: string, ask: Readonly<Record<string, Json>>): Promise<OperatorAnswer>
  /** The same to a memory controller of a machine, by its number. */
  askMemory(machine: string, ask: Readonly<Record<string, Json>>, index: number): Promise<OperatorAnswer>
  /** The stack's supervisor: report, power. */
  askStack(request: Readonly<Record<string, Json>>): Promise<OperatorAnswer>
}

export function operatorOn(connection: NatsConnection, instance: string): Operator {
  let asked = 0
  const askActor = async (
    { machine, actor, name }: { readonly machine: string; readonly actor: ActorId; readonly name: string },
    ask: Readonly<Record<string, Json>>,
  ): Promise<OperatorAnswer> => {
    const self = actorId(`gateway.${instance.replaceAll(/[^a-z0-9]/g, "")}-${++asked}`)
    const answers = connection.subscribe(subjectOf(machine, self, actor), { max: 1, timeout: ANSWER_MILLISECONDS })
    const question = JSON.stringify({ request: randomUUID(), ...ask })
    const say = (): void => connection.publish(subjectOf(machine, actor, self), question)
    // The bus may lose it; a repeat of the same request is answered again and does nothing twice.
    const repeat = setInterval(say, REPEAT_MILLISECONDS)
    say()
    try {
      for await (const message of answers) return message.json<OperatorAnswer>()
    } catch {
      // Timed out: said below.
    } finally {
      clearInterval(repeat)
    }
    throw new NoAnswer(`the ${name} of ${machine} does not answer`)
  }
  return {
    askHypervisor: (machine, ask) => askActor({ machine, actor: HYPERVISOR, name: "hypervisor" }, ask),
    askMemory: (machine, ask, index) => askActor({ machine, actor: memoryController(index), name: `memory controller ${index}` }, ask),
    askStack: async (request) => {
      try {
        return (await connection.request(POWER_SUBJECT, JSON.stringify(request), { timeout: ANSWER_MILLISECONDS })).json<OperatorAnswer>()
      } catch {
        throw new NoAnswer("no supervisor answers: the services were not started by `npm start`")
      }
    },
  }
}
