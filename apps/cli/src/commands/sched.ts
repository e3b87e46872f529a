/** `backplane sched list | swap`: which policies there are, and another one for the running machine. */
import { randomUUID } from "node:crypto"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { subjectOf } from "@backplane/foundation-runtime/subjects"
import { POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { POLICY_SUMMARIES } from "@backplane/scenario-machine/policy-summaries"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { SwapAnswer } from "@backplane/trap-contract/operator-messages"
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { homeFolder, mustReadStack, StackClient } from "../stack-client.ts"

const WAIT_MILLISECONDS = 10_000
const POLL_MILLISECONDS = 100

export function register(program: Command): void {
  const sched = program.command("sched").description("scheduling policies")
  sched
    .command("list")
    .description("the policies that ship")
    .option("--json", "print JSON")
    .action((flags: { json?: true }) => {
      if (flags.json === true)
        return console.log(JSON.stringify({ policies: POLICY_NAMES.map((name) => ({ name, summary: POLICY_SUMMARIES[name] })) }))
      for (const name of POLICY_NAMES) console.log(`${name.padEnd(14)} ${POLICY_SUMMARIES[name]}`)
    })
  sched
    .command("swap")
    .description("let another policy take over in the running machine; nothing stops, no job is lost")
    .argument("<policy>", POLICY_NAMES.join(", "))
    .option("--machine <name>", "which machine", "demo")
    .option("--json", "print JSON")
    .action(async (policy: string, flags: { machine: string; json?: true }, command: Command) => {
      const client = await StackClient.connect(mustReadStack(homeFolder(command.optsWithGlobals<{ home?: string }>().home)))
      try {
        const epoch = await swap(client, flags.machine, policy)
        console.log(
          flags.json === true
            ? JSON.stringify({ machine: flags.machine, policy, epoch })
            : `${flags.machine}: ${policy} schedules now (epoch ${epoch})`,
        )
      } finally {
        await client.close()
      }
    })
}

/** Asks the hypervisor, and waits until every node goes by the new policy. */
async function swap(client: StackClient, machine: string, policy: string): Promise<number> {
  const operator = actorId(`operator.cli-${process.pid}`)
  const answers = client.connection.subscribe(subjectOf(machine, operator, HYPERVISOR), { max: 1, timeout: 3_000 })
  const ask = { kind: "SwapAsk", request: randomUUID(), policy }
  client.connection.publish(subjectOf(machine, HYPERVISOR, operator), JSON.stringify(ask))
  let answer: SwapAnswer | null = null
  try {
    for await (const message of answers) answer = message.json<SwapAnswer>()
  } catch {
    throw new CommandFailure("no-answer", `the hypervisor of ${machine} does not answer; \`backplane status\` shows the machines there are`)
  }
  if (answer === null || answer.state === "refused") throw new CommandFailure("refused", answer?.reason ?? "no answer")
  const deadline = Date.now() + WAIT_MILLISECONDS
  while (Date.now() < deadline) {
    const state = (await client.inspect(machine, "node.0")) as { readonly epoch?: number } | null
    if ((state?.epoch ?? 0) >= answer.epoch) return answer.epoch
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
  throw new CommandFailure("stalled", `the nodes of ${machine} have not taken the new policy after ${WAIT_MILLISECONDS / 1000} s`)
}
