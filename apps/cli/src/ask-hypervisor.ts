/** One question to the hypervisor of a machine, as an operator. */
import { randomUUID } from "node:crypto"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { askActor } from "@backplane/foundation-runtime/ask-actor"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import { bad, CommandFailure } from "./failure.ts"
import type { StackClient } from "./stack-client.ts"

const PATIENCE_MILLISECONDS = 10_000
const REPEAT_MILLISECONDS = 1_000

/** Throws where it is silent or refuses. */
export async function askHypervisor<Answer extends { readonly state: string; readonly reason: string }>(
  client: StackClient,
  machine: string,
  question: { readonly kind: string } & Readonly<Record<string, unknown>>,
): Promise<Answer> {
  const answer = await answerOf<Answer & { readonly request: string }>(client, machine, question)
  if (answer.state === "refused") throw new CommandFailure("refused", answer.reason)
  return answer
}

/** Throws where it is silent. */
export async function answerOf<Answer extends { readonly request: string }>(
  client: StackClient,
  machine: string,
  question: { readonly kind: string } & Readonly<Record<string, unknown>>,
): Promise<Answer> {
  await mustBeThere(client, machine, "early")
  const from = actorId(`operator.cli-${process.pid}-${randomUUID().slice(0, 8)}`)
  const times = { repeatMilliseconds: REPEAT_MILLISECONDS, patienceMilliseconds: PATIENCE_MILLISECONDS }
  const answer = await askActor<Answer>({ connection: client.connection, machine, from, to: HYPERVISOR, ...times }, question)
  if (answer !== null) return answer
  await mustBeThere(client, machine, "late")
  throw new CommandFailure("no-answer", `the hypervisor of ${machine} does not answer; \`backplane status\` shows the machines there are`)
}

/** Nobody answers for a machine that there is not: that is known at once, but on a stack without any, whose first may just be made. */
export async function mustBeThere(
  client: Pick<StackClient, "machineNames">,
  machine: string,
  when: "early" | "late" = "early",
): Promise<void> {
  const names = await client.machineNames(machine)
  if (names.includes(machine) || (names.length === 0 && when === "early")) return
  throw bad("--machine", `there is no machine ${machine}; ${names.length === 0 ? "none is running" : `there is ${names.join(", ")}`}`)
}
