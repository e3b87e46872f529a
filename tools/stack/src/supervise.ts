/**
 * The supervisor as a process: `node supervise.ts <the same arguments as up>`, started by the front with the link at descriptor 3.
 *
 * It belongs to no terminal and to no process tree of nx, so that nobody but us decides the order in which its processes end.
 */
import { grownAfter } from "./grown-processes.ts"
import { planAnother } from "./process-plan.ts"
import { rmSync } from "node:fs"
import { Socket } from "node:net"
import { join } from "node:path"
import { LINK_FD, listen, send, type ToFront, type ToSupervisor } from "./link.ts"
import { parseInvocation, UsageError } from "./options.ts"
import { RESTART_LIMITS } from "./restart-policy.ts"
import { homeOf, layOut, ROOT, type StackLayout } from "./stack-layout.ts"
import { prepareHome, removeStackState, writeStackState, type StackState } from "./stack-state.ts"
import { DEADLINES, Supervisor, type Deadlines } from "./supervisor.ts"
import { makeWholePackages } from "./whole-packages.ts"

/** A stack that did not stop by then is ended the hard way, by the watchdog. */
const HARD_STOP_MS = 2_900

async function main(args: readonly string[]): Promise<void> {
  const front = new Socket({ fd: LINK_FD, readable: true, writable: true })
  const tell = (record: ToFront): void => send(front, record)
  const invocation = parseInvocation(args)
  prepareHome(homeOf(invocation))
  const layout = await layOut(invocation, process.pid).catch((error: unknown) => {
    tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error), usage: error instanceof UsageError })
    front.end(() => process.exit(1))
    return null
  })
  if (layout === null) return
  for (const text of layout.notices) tell({ kind: "line", text })
  await makeWholePackages().catch((error: unknown) => tell({ kind: "line", text: `services start more slowly: ${String(error)}` }))
  const startedAt = Date.now()
  const supervisor: Supervisor = new Supervisor({
    folder: ROOT,
    ...layout,
    httpUrl: `http://127.0.0.1:${layout.ports.http}`,
    logPathOf: (plan) => join(layout.home, "logs", `${plan.name}.log`),
    limits: RESTART_LIMITS,
    planAnother: (name) => planAnother(layout.services, name),
    deadlines: deadlines(process.env),
    report: (text) => {
      if (text !== null) tell({ kind: "line", text })
      const state = stateOf(layout, supervisor, startedAt)
      layout.grown.keep(grownAfter(layout.grown.names, layout.services, state.processes))
      writeStackState(layout.home, state)
      tell({ kind: "state", state })
    },
  })
  const stop = stopOnce(supervisor, layout.home, tell)
  let detached = false
  listen<ToSupervisor>(front, {
    record: (record) => (record.kind === "detach" ? (detached = true) : void stop(0)),
    end: () => detached || void stop(0),
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void stop(0))
  const result = await supervisor.start()
  if (result.ok) return tell({ kind: "ready" })
  tell({ kind: "failed", reason: result.reason, usage: false })
  await stop(1)
}

function stopOnce(supervisor: Supervisor, home: string, tell: (record: ToFront) => void): (code: number) => Promise<void> {
  let begun: Promise<void> | null = null
  const stop = async (code: number): Promise<void> => {
    // Without an orderly end of ours the watchdog sees the pipe close and ends the groups that are left.
    setTimeout(() => process.exit(1), HARD_STOP_MS).unref()
    await supervisor.stop()
    removeStackState(home)
    rmSync(join(home, "nats.conf"), { force: true })
    tell({ kind: "stopped" })
    setTimeout(() => process.exit(code), 20)
  }
  return (code) => (begun ??= stop(code))
}

function stateOf(layout: StackLayout, supervisor: Supervisor, startedAt: number): StackState {
  const { ports, access, operator, httpToken } = layout
  return {
    version: 1,
    pid: process.pid,
    startedAt,
    phase: supervisor.phase,
    home: layout.home,
    nats: {
      url: access.url,
      monitorUrl: ports.natsMonitor === 0 ? null : `http://127.0.0.1:${ports.natsMonitor}`,
      user: operator?.user ?? access.user,
      password: operator?.password ?? access.password,
      scheduler: layout.scheduler,
    },
    http: { url: `http://127.0.0.1:${ports.http}`, token: httpToken },
    scenario: layout.scenario,
    processes: supervisor.states(),
  }
}

/** A slow computer may be given more time to start; the stop keeps its three seconds. */
function deadlines(environment: NodeJS.ProcessEnv): Deadlines {
  const seconds = Number(environment["BACKPLANE_START_SECONDS"])
  return Number.isFinite(seconds) && seconds > 0
    ? { ...DEADLINES, busMs: Math.max(DEADLINES.busMs, seconds * 1000), levelMs: seconds * 1000 }
    : DEADLINES
}

if (import.meta.main) await main(process.argv.slice(2))
