/**
 * `conform`: puts a scheduler through the conformance kit and prints a verdict a law: one of ours by its policy's name, any other by the
 * NATS address and name of its service.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import type { ActorId } from "@backplane/foundation-actor/actor-id"
import { POLICY_NAMES, type MachineSpec, type PolicyName } from "@backplane/scenario-machine/machine-spec"
import { connect } from "@nats-io/transport-node"
import { createInbox, type NatsConnection } from "@nats-io/nats-core"
import { untilInterrupted } from "@backplane/foundation-runtime/interruption"
import { FlagError } from "./whole-flag.ts"
import { LAWS } from "./conform/laws.ts"
import { MUTANTS, mutantOf, type MutantName } from "./conform/mutants.ts"
import { NatsSubject } from "./conform/nats-subject.ts"
import { edge, ownSubject, tryOut, type MakeSubject, type Verdict } from "./conform/trial.ts"

const ALIVE_MILLISECONDS = 5_000
/** For a program that was just started, on a busy computer. */
const START_MILLISECONDS = 60_000
const POLL_MILLISECONDS = 50
const OPTIONS = {
  service: { type: "string" },
  nats: { type: "string" },
  run: { type: "string" },
  policy: { type: "string", default: "rr" },
  mutant: { type: "string" },
  log: { type: "string" },
  json: { type: "boolean", default: false },
} as const

export async function conformCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const policy = POLICY_NAMES.find((name) => name === values.policy)
  if (policy === undefined) throw new FlagError(`--policy: there is no policy ${values.policy}; there are ${POLICY_NAMES.join(", ")}`)
  const isOurs = values.service === undefined && values.run === undefined
  if (!isOurs && values.mutant !== undefined)
    throw new FlagError("--mutant: a fault is planted in a scheduler of ours; leave out --run and --service")
  if (isOurs && values.nats !== undefined)
    throw new FlagError("--nats: a scheduler of ours is tried in this process, without a bus; leave it out, or add --run or --service")
  const ours = isOurs ? ownOrMutant(values.mutant) : null
  if (isOurs && !values.json)
    console.log(`ours, policy ${policy}${values.mutant === undefined ? "" : `, ${values.mutant}`} (--run tries another)`)
  const verdict = await (ours !== null
    ? tryOut(ours, policy)
    : tryService({ policy, service: values.service ?? "cpu-scheduler", url: values.nats, command: values.run }))
  if (values.log !== undefined) writeFileSync(values.log, `${verdict.log.join("\n")}\n`)
  if (values.json) console.log(JSON.stringify({ ...verdict, log: verdict.log.length }))
  else print(verdict)
  return verdict.findings.length === 0 ? 0 : 1
}

function ownOrMutant(name: string | undefined): MakeSubject {
  if (name === undefined) return ownSubject()
  const mutant = MUTANTS[name as MutantName] as (typeof MUTANTS)[MutantName] | undefined
  if (mutant === undefined) throw new FlagError(`--mutant: there is none that ${name}; there are: ${Object.keys(MUTANTS).join("; ")}`)
  return ownSubject((machine) => mutantOf(machine, mutant))
}

function print({ findings, log }: Verdict): void {
  for (const law of Object.keys(LAWS)) {
    const broken = findings.filter((one) => one.law === law)
    console.log(`${broken.length === 0 ? "ok    " : "BROKEN"} ${law}`)
    for (const { setting, what } of broken) console.log(`       ${setting}: ${what}`)
  }
  console.log(
    findings.length === 0
      ? `it keeps the contract (${log.length} decisions)`
      : `it breaks ${new Set(findings.map(({ law }) => law)).size} laws`,
  )
}

interface ServiceRequest {
  readonly policy: PolicyName
  readonly service: string
  readonly url: string | undefined
  /** Started for the trial and ended after it; absent: it runs already. */
  readonly command: string | undefined
}

async function tryService({ policy, service, url, command }: ServiceRequest): Promise<Verdict> {
  const servers = url ?? process.env["NATS_URL"] ?? "nats://127.0.0.1:4222"
  const connection = await connect({ servers, name: "conform" }).catch((error: unknown) => {
    const why = `${error instanceof Error ? error.message : String(error)}`.slice(0, 100)
    throw new Error(
      `--nats: ${servers} does not let the kit in (${why}). It speaks as nodes do, which no server of a running stack allows: ` +
        "start the service on a server without passwords (`nats-server`), or give --run <command> and leave --nats out",
      { cause: error },
    )
  })
  const wanted = command === undefined ? undefined : `conform-${process.pid}`
  const child = command === undefined || wanted === undefined ? null : started(command, { instance: wanted, servers })
  const interrupted = untilInterrupted()
  const trial = async (): Promise<Verdict> => {
    const instance = await instanceOf(connection, service, wanted)
    const pingId = await idOf(connection, service, instance)
    let life = Math.floor(Date.now() / 1000)
    const make: MakeSubject = (spec: MachineSpec, id: ActorId) =>
      new NatsSubject({ at: { connection, service, instance, pingId }, spec, id, edge, life: ++life })
    return tryOut(make, policy)
  }
  try {
    return await Promise.race([trial(), interrupted.rejects, ...(child === null ? [] : [goneTooSoon(child)])])
  } finally {
    await connection.close()
    if (child !== null) await ended(child)
    interrupted.forget()
  }
}

/** Rejects where the program under trial ends by itself. */
async function goneTooSoon(child: ChildProcess): Promise<never> {
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null]
  throw new Error(`--run: the program has ended with ${code ?? signal ?? "an error"} in the middle of its trial`)
}

function started(command: string, { instance, servers }: { readonly instance: string; readonly servers: string }): ChildProcess {
  const env = { ...process.env, BACKPLANE_INSTANCE: instance, BACKPLANE_NATS_URL: servers, NATS_URL: servers }
  return spawn(command, { shell: true, env, stdio: ["ignore", "inherit", "inherit"], detached: true })
}

/** Its whole group: a shell may stand between. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return
  const gone = once(child, "exit")
  try {
    process.kill(-child.pid, "SIGTERM")
  } catch {
    return // it has gone by itself
  }
  await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 2_000))])
}

/** What the process calls itself in `$SRV.PING`: any string. It may say that it lives before it answers there. */
async function idOf(connection: NatsConnection, service: string, instance: string): Promise<string> {
  const inbox = `${createInbox()}.id`
  const pongs = connection.subscribe(inbox, { timeout: ALIVE_MILLISECONDS })
  const asking = setInterval(() => connection.publish(`$SRV.PING.${service}`, "", { reply: inbox }), POLL_MILLISECONDS)
  try {
    for await (const message of pongs) {
      if (message.data.length === 0) continue // nobody answers yet
      const { id, metadata } = message.json<{ readonly id: string; readonly metadata?: { readonly instance?: string } }>()
      if (metadata?.instance === instance || id === instance) return id
    }
  } catch {
    // A timeout: told below.
  } finally {
    clearInterval(asking)
    pongs.unsubscribe()
  }
  throw new Error(`--service: ${instance} does not answer on $SRV.PING.${service} with its metadata.instance`)
}

/** The process of the service that says that it lives. */
async function instanceOf(connection: NatsConnection, service: string, wanted: string | undefined): Promise<string> {
  const timeout = wanted === undefined ? ALIVE_MILLISECONDS : START_MILLISECONDS
  const alive = connection.subscribe(`bp.ctl.alive.${service}`, { timeout })
  try {
    for await (const message of alive) {
      const { instance } = message.json<{ readonly instance: string }>()
      if (wanted === undefined || instance === wanted) return instance
    }
  } catch {
    // A timeout: told below.
  } finally {
    alive.unsubscribe()
  }
  throw new Error(`--service: no process of ${service} says on bp.ctl.alive.${service} that it lives`)
}
