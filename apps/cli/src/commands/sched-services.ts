/**
 * `backplane sched attach | services`: scheduler services that are not ours, in whatever language.
 *
 * `attach` says the manifest for the program, again and again while it runs, so that a hypervisor that begins anew knows it too; the program
 * itself only has to be a service that hosts schedulers, as `--replace cpu-scheduler` wants it.
 */
import { spawn } from "node:child_process"
import type { Json } from "@backplane/foundation-base/json"
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { count } from "../number-flags.ts"
import { onRunningStack } from "../running-stack.ts"
import { ServiceGoodbye } from "../service-goodbye.ts"
import { takeOver } from "./sched-swap.ts"
import type { StackClient, StackState } from "../stack-client.ts"

const SAY_AGAIN_MILLISECONDS = 2_000
const STOP_MILLISECONDS = 2_000
/** Processes say once a second that they are there. */
const START_MILLISECONDS = 30_000
const POLL_MILLISECONDS = 200

interface AttachFlags {
  readonly run?: string
  readonly instance?: string
  readonly layout: string
  readonly contract: number
  readonly version: string
  readonly language: string
  readonly feature: readonly string[]
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
    .option("--feature <text...>", "what of the contract it uses", [])
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
  const { layout, contract, version, language, feature } = flags
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

/** Until the hypervisor has heard of the process. */
export async function untilHeard(client: StackClient, instance: string): Promise<true> {
  for (const deadline = Date.now() + START_MILLISECONDS; Date.now() < deadline;) {
    const { instances } = (await client.office({ op: "list" })) as unknown as {
      readonly instances: readonly { readonly instance: string }[]
    }
    if (instances.some((one) => one.instance === instance)) return true
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS))
  }
  throw new CommandFailure(
    "silent",
    `${instance} is not on the bus after ${START_MILLISECONDS / 1000} s: it must say each second on bp.ctl.alive.cpu-scheduler that it is there (apps/cli/swap-a-scheduler.md)`,
  )
}

/** What a program needs to be a scheduler service of this stack. */
export function environmentOf({ nats }: StackState, instance: string): NodeJS.ProcessEnv {
  const access = nats.scheduler ?? (nats.user === null ? null : { user: nats.user, password: nats.password ?? "" })
  const user = access === null ? {} : { BACKPLANE_NATS_USER: access.user, BACKPLANE_NATS_PASSWORD: access.password }
  // What is ours ends with us, also where we are killed.
  const parent = { BACKPLANE_PARENT_PID: String(process.pid) }
  return { ...process.env, BACKPLANE_INSTANCE: instance, BACKPLANE_NATS_URL: nats.url, NATS_URL: nats.url, ...user, ...parent }
}

interface Signals {
  readonly first: Promise<void>
  readonly second: Promise<void>
  readonly forget: () => void
}

function untilSignal(): Signals {
  const heard: (() => void)[] = []
  const next = (): Promise<void> => new Promise((resolve) => heard.push(resolve))
  const [first, second] = [next(), next()]
  const hear = (): void => heard.shift()?.()
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const
  for (const signal of signals) process.on(signal, hear)
  return {
    first,
    second,
    forget: () => {
      for (const signal of signals) process.removeListener(signal, hear)
    },
  }
}

interface RunningProgram {
  /** Rejects where it ends by itself. */
  readonly failed: Promise<never>
  /** Resolves when it has ended. */
  readonly stop: () => Promise<void>
}

/** In a group of its own: Ctrl-C is for us, and it schedules on until the machines have somebody else. */
function runProgram(command: string, env: NodeJS.ProcessEnv): RunningProgram {
  const child = spawn("exec " + command, { shell: true, env, stdio: ["ignore", "inherit", "inherit"], detached: true })
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)))
  let isStopping = false
  const signal = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, name)
    } catch {
      // all of the group has ended
    }
  }
  const failed = exited.then((code) => {
    if (isStopping) return new Promise<never>(() => undefined)
    throw new CommandFailure("ended", `the program has ended with ${code ?? "a signal"}`)
  })
  failed.catch(() => undefined)
  return {
    failed,
    stop: async () => {
      isStopping = true
      signal("SIGTERM")
      const killer = setTimeout(() => signal("SIGKILL"), STOP_MILLISECONDS)
      await exited
      clearTimeout(killer)
    },
  }
}
