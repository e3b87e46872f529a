/**
 * A scheduler service in whatever language as a process of ours: what it is given, until it is heard of, and how it ends. Who it schedules for, and
 * what is said at its end, is `sched attach` and service-goodbye.ts.
 */
import { spawn } from "node:child_process"
import { CommandFailure } from "./failure.ts"
import type { StackClient, StackState } from "./stack-client.ts"

const STOP_MILLISECONDS = 2_000
/** Processes say once a second that they are there. */
const START_MILLISECONDS = 30_000
const POLL_MILLISECONDS = 200

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

export interface Signals {
  readonly first: Promise<void>
  readonly second: Promise<void>
  readonly forget: () => void
}

export function untilSignal(): Signals {
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

export interface RunningProgram {
  /** Rejects where it ends by itself. */
  readonly failed: Promise<never>
  /** Resolves when it has ended. */
  readonly stop: () => Promise<void>
}

/** In a group of its own: Ctrl-C is for us, and it schedules on until the machines have somebody else. */
export function runProgram(command: string, env: NodeJS.ProcessEnv): RunningProgram {
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
