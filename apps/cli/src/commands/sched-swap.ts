/** `backplane sched swap | affinity | weight | shares`: another scheduler for the running machine; another affinity, weight or hint for a task. */
import { FALLBACK, POLICY_NAMES } from "@backplane/scenario-machine/machine-spec"
import { HYPERVISOR } from "@backplane/scenario-machine/topology"
import type { SwapAnswer } from "@backplane/trap-contract/operator-messages"
import { InvalidArgumentError, type Command } from "commander"
import { askHypervisor } from "../ask-hypervisor.ts"
import { bad, CommandFailure } from "../failure.ts"
import { count, cpuList } from "../number-flags.ts"
import { shadowText, type Shadow } from "../shadow-report.ts"
import { onRunningStack } from "../running-stack.ts"
import type { StackClient } from "../stack-client.ts"

const WAIT_MILLISECONDS = 10_000
const POLL_MILLISECONDS = 100
/** A policy shows for so many slices what it would do, before it takes over. */
const SHADOW_SLICES = 10

interface SwapFlags {
  readonly machine: string
  readonly shadowOnly?: true
  readonly now?: true
  readonly for?: number
  readonly cpus?: readonly number[]
  readonly json?: true
}

export function registerSwap(sched: Command): void {
  sched
    .command("swap")
    .description(
      "let another policy or service take over in the running machine, after it has shown in shadow that it decides; nothing stops, no job is lost",
    )
    .argument("<policy | service>", `${[...POLICY_NAMES, FALLBACK].join(", ")}; or a service of \`sched services\``)
    .option("--machine <name>", "which machine", "demo")
    .option("--for <slices>", `how long it is in shadow first; default: ${SHADOW_SLICES}`, count)
    .option("--shadow-only", "only shadow: print where its choices differ from those in force, change nothing")
    .option("--now", "take over without shadow")
    .option("--cpus <list>", "take over these CPUs only, as 0-3 or 0,2, beside the policy in force", cpuList)
    .option("--json", "print JSON")
    .action(async (policy: string, flags: SwapFlags, command: Command) => {
      if (flags.now === true && (flags.shadowOnly === true || flags.for !== undefined))
        throw bad("--now", "takes over without shadow; leave out --shadow-only and --for")
      await onRunningStack(command, (client) => swap(client, policy, flags))
    })
}

export function registerTuning(sched: Command): void {
  sched
    .command("affinity")
    .description("let a task run on these CPUs only")
    .argument("<task>")
    .argument("<cpus>", "as 0-3 or 0,2; any: all of them", (text) => (text === "any" ? [] : cpuList(text)))
    .option("--machine <name>", "which machine", "demo")
    .action(async (task: string, affinity: readonly number[], flags: { machine: string }, command: Command) => {
      await onRunningStack(command, async (client) => {
        await askHypervisor(client, flags.machine, { kind: "TuneAsk", task, affinity })
        console.log(`${task} may run on ${affinity.length === 0 ? "any CPU" : `CPU ${affinity.join(", ")}`}`)
      })
    })
  sched
    .command("weight")
    .description("give a task this share, beside the others' weights (100 if not given)")
    .argument("<task>")
    .argument("<weight>", "1 to 10000", weightOf)
    .option("--machine <name>", "which machine", "demo")
    .action(async (task: string, weight: number, flags: { machine: string }, command: Command) => {
      await onRunningStack(command, async (client) => {
        await askHypervisor(client, flags.machine, { kind: "TuneAsk", task, weight })
        console.log(`${task} has weight ${weight}; policies that know weights heed it`)
      })
    })
  sched
    .command("shares")
    .description("a hint: with whom a task shares pages, or talks; policies that heed it (numa) run it near them")
    .argument("<task>")
    .argument("<others>", "tasks, comma-separated; none: nobody any more", (text) => (text === "none" ? [] : text.split(",")))
    .option("--machine <name>", "which machine", "demo")
    .action(async (task: string, shares: readonly string[], flags: { machine: string }, command: Command) => {
      await onRunningStack(command, async (client) => {
        await askHypervisor(client, flags.machine, { kind: "TuneAsk", task, shares })
        console.log(
          `${task} ${shares.length === 0 ? "shares with nobody" : `shares with ${shares.join(", ")}`}; policies that know of it heed it`,
        )
      })
    })
}

function weightOf(text: string): number {
  const value = count(text)
  if (value > 10_000) throw new InvalidArgumentError("give a weight of at most 10000")
  return value
}

async function swap(client: StackClient, policy: string, flags: SwapFlags): Promise<void> {
  const { machine, cpus, json } = flags
  const shadowSlices = flags.now === true || policy === FALLBACK ? undefined : (flags.for ?? SHADOW_SLICES)
  const isKnown = [...POLICY_NAMES, FALLBACK].some((name) => name === policy)
  const service = isKnown ? undefined : await client.takeService(machine, policy)
  const ask = { kind: "SwapAsk", policy, service, shadowSlices, cpus, ...(flags.shadowOnly === true && { shadowOnly: true }) }
  const answer = await askHypervisor<SwapAnswer>(client, machine, ask)
  const shadow = shadowSlices === undefined ? null : await shadowOf(client, machine, answer.epoch)
  if (shadow !== null && flags.shadowOnly === true)
    return console.log(json === true ? JSON.stringify({ machine, shadow }) : shadowText(shadow))
  if (shadow?.state === "rejected") {
    if (json !== true) console.log(shadowText(shadow))
    throw new CommandFailure("rejected", `${policy} does not take over: ${shadow.reason}`)
  }
  const epoch = await taken(client, machine, answer.epoch + (shadow === null ? 0 : 1))
  if (json === true) return console.log(JSON.stringify({ machine, policy, epoch, ...(cpus && { cpus }), ...(shadow && { shadow }) }))
  if (shadow !== null) console.log(shadowText(shadow))
  console.log(`${machine}: ${policy} schedules ${cpus === undefined ? "" : `CPU ${cpus.join(", ")} `}now (epoch ${epoch})`)
}

/** A policy or a service that has attached takes over at once, without shadow. */
export async function takeOver(client: StackClient, machine: string, policy: string): Promise<number> {
  const isKnown = [...POLICY_NAMES, FALLBACK].some((name) => name === policy)
  const service = isKnown ? undefined : await client.takeService(machine, policy)
  const { epoch } = await askHypervisor<SwapAnswer>(client, machine, { kind: "SwapAsk", policy, service })
  return taken(client, machine, epoch)
}

/** How the shadow of this epoch did, when it is over. */
async function shadowOf(client: StackClient, machine: string, epoch: number): Promise<Shadow> {
  let until = Date.now() + WAIT_MILLISECONDS
  let lastPeriods = -1
  for (;;) {
    const state = (await client.inspect(machine, HYPERVISOR)) as { readonly shadow?: Shadow | null } | null
    const shadow = state?.shadow ?? null
    if (shadow !== null && shadow.epoch > epoch) throw new CommandFailure("replaced", "somebody else has begun another swap meanwhile")
    if (shadow?.epoch === epoch && shadow.state !== "under way") return shadow
    // It may last as long as was asked for, as long as something moves.
    if (shadow !== null && shadow.periods !== lastPeriods) until = Date.now() + WAIT_MILLISECONDS
    lastPeriods = shadow?.periods ?? lastPeriods
    if (Date.now() > until) throw new CommandFailure("stalled", `nothing is heard of the shadow for ${WAIT_MILLISECONDS / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
}

/** Waits until every node goes by the new policy. Of a machine that was just made, nodes may still be on their way to their processes. */
export async function taken(client: Pick<StackClient, "inspect">, machine: string, epoch: number): Promise<number> {
  const deadline = Date.now() + WAIT_MILLISECONDS
  while (Date.now() < deadline) {
    const state = (await client.inspect(machine, "node.0").catch(nullWhereNotHosted)) as { readonly epoch?: number } | null
    if ((state?.epoch ?? 0) >= epoch) return state?.epoch ?? epoch
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
  throw new CommandFailure("stalled", `the nodes of ${machine} have not taken the new policy after ${WAIT_MILLISECONDS / 1000} s`)
}

/** The words of a process that does not have the actor, as the office passes them on. */
function nullWhereNotHosted(error: unknown): null {
  if (error instanceof CommandFailure && error.kind === "refused" && error.message.startsWith("/actor: ")) return null
  throw error
}
