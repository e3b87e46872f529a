/** One question to the hypervisor of a machine, said again until it is answered: a repeat of the same request does nothing twice. */
import { randomUUID } from "node:crypto"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { subjectOf } from "@backplane/foundation-runtime/subjects"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

const PATIENCE_MILLISECONDS = 5_000
const REPEAT_MILLISECONDS = 1_000

export async function askHypervisor<Answer extends { readonly state: string; readonly reason: string }>(
  client: StackClient,
  machine: string,
  ask: { readonly kind: string } & Readonly<Record<string, unknown>>,
): Promise<Answer> {
  const operator = actorId(`operator.cli-${process.pid}`)
  const answers = client.connection.subscribe(subjectOf(machine, operator, HYPERVISOR), { max: 1, timeout: PATIENCE_MILLISECONDS })
  const question = JSON.stringify({ ...ask, request: randomUUID() })
  const say = (): void => client.connection.publish(subjectOf(machine, HYPERVISOR, operator), question)
  const repeat = setInterval(say, REPEAT_MILLISECONDS)
  say()
  let answer: Answer | null = null
  try {
    for await (const message of answers) answer = message.json<Answer>()
  } catch {
    throw new CommandFailure("no-answer", `the hypervisor of ${machine} does not answer; \`backplane status\` shows the machines there are`)
  } finally {
    clearInterval(repeat)
  }
  if (answer === null || answer.state === "refused") throw new CommandFailure("refused", answer?.reason ?? "no answer")
  return answer
}
