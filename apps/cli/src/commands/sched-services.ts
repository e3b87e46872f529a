/**
 * `backplane sched attach | services`: scheduler services that are not ours, in whatever language.
 *
 * `attach` says the manifest for the program, again and again while it runs, so that a hypervisor that begins anew knows it too; the program
 * itself only has to be a service that hosts schedulers, as `--replace cpu-scheduler` wants it.
 */
import type { Json } from "@backplane/foundation-base/json"
import type { Command } from "commander"
import { environmentOf, runProgram, untilHeard, untilSignal } from "../attached-program.ts"
import { CommandFailure } from "../failure.ts"
import { count } from "../number-flags.ts"
import { onRunningStack } from "../running-stack.ts"
import { ServiceGoodbye } from "../service-goodbye.ts"
import { takeOver } from "./sched-swap.ts"
import type { StackClient, StackState } from "../stack-client.ts"

const SAY_AGAIN_MILLISECONDS = 2_000

interface AttachFlags {
  readonly run?: string
  readonly instance?: string
  readonly layout: string
  readonly contract: number
  readonly version: string
  readonly language: string
  readonly feature?: readonly string[]
}

export function registerServices(sched: Command): void {
  sched
    .command("attach")
    .description("make a scheduler service known by its manifest, so that `sched swap <name>` can take it; stays until Ctrl-C")
    .argument("<name>", "by which it is asked for: small letters, digits, dashes")
    .option("--run <command>", "start this program, which hosts schedulers as cpu-scheduler does")
    .option("--instance <name>", "or: a process that is on the bus already, by its instance name")
    .option("--layout <layout>", "the queues it wants: all (one) or cpu (one a CPU)", "all")
    .option("--contract <version>", "version of the contract that it speaks", count, 1)
    .option("--version <text>", "its own version", "0")
    .option("--language <text>", "what it is written in", "")
    .option("--feature <text...>", "what of the contract it uses")
    .action(async (name: string, flags: AttachFlags, command: Command) => {
      if ((flags.run === undefined) === (flags.instance === undefined))
        throw new CommandFailure("bad-input", "--run or --instance: say which program it is, or which process")
      await onRunningStack(command, async (client, state) => {
        await attach(client, state, name, flags)
      })
    })
  sched
    .command("services")
    .description("scheduler services that have attached")
    .option("--json", "print JSON")
    .action(async (flags: { json?: true }, command: Command) => {
      await onRunningStack(command, async (client) => {
        const services = (await client.office({ op: "services" }))["services"] as readonly Readonly<Record<string, Json>>[]
        if (flags.json === true) return console.log(JSON.stringify({ services }))
        if (services.length === 0) console.log("no scheduler service has attached; `sched attach` makes one known")
        for (const { name, version, contract, language, layout, instance } of services)
          console.log(
            `${String(name).padEnd(20)} ${String(version)}  contract ${String(contract)}  queues ${String(layout)}  ${String(language)}  ${String(instance)}`,
          )
      })
    })
}

async function attach(client: StackClient, state: StackState, name: string, flags: AttachFlags): Promise<void> {
  const { layout, contract, version, language, feature = [] } = flags
  const instance = flags.instance ?? `${name}-${process.pid}`
  const request = { op: "attach", instance, manifest: { name, version, contract, language, layout, features: [...feature] } }
  await client.office(request).catch((error: unknown) => {
    // Whether the manifest is good is known before anything is started; it is made of the flags.
    throw error instanceof CommandFailure && error.message.startsWith("manifest.") ? new CommandFailure("bad-input", error.message) : error
  })
  const goodbye = new ServiceGoodbye(
    {
      office: (request) => client.office(request),
      inspect: (machine, actor) => client.inspect(machine, actor),
      takeOver: (machine, policy) => takeOver(client, machine, policy),
    },
    name,
  )
  const interrupted = untilSignal()
  const program = flags.run === undefined ? null : runProgram(flags.run, environmentOf(state, instance))
  const ended = program === null ? interrupted.first : Promise.race([interrupted.first, program.failed])
  let again: NodeJS.Timeout | undefined
  const sayAgain = async (): Promise<void> => {
    await client.office(request)
    await goodbye.note()
  }
  try {
    const isThere = await Promise.race([untilHeard(client, instance), ended.then(() => false)])
    if (!isThere) return
    again = setInterval(() => void sayAgain().catch(() => undefined), SAY_AGAIN_MILLISECONDS)
    await sayAgain()
    console.log(`${name} has attached as ${instance}; \`backplane sched swap ${name}\` lets it take over, Ctrl-C ends it`)
    await ended
    clearInterval(again)
    // Who does not want to wait for it asks a second time.
    const given = await Promise.race([goodbye.say().catch(() => []), interrupted.second.then(() => [])])
    for (const { machine, policy } of given) console.log(`${machine}: ${policy} schedules now`)
  } finally {
    clearInterval(again)
    await program?.stop()
    await client.office({ op: "detach", service: name }).catch(() => undefined)
    interrupted.forget()
  }
}
