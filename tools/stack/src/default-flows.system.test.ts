/**
 * What `npm start` promises to show: one run of the default scenario makes a trap, a migration, a wake-up and a reconciliation, each one trace
 * with every service that took part, and so is a swap; and the dashboards ask for nothing that this run does not tell.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { committedDashboards } from "@backplane/grafana/committed-checks"
import { DASHBOARDS_FOLDER } from "@backplane/grafana/folder"
import { liveFindings } from "@backplane/grafana/live-check"
import { fetchLiveRun } from "@backplane/grafana/live-run"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { finished, StackUnderTest } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind
const DEADLINE_MS = 240_000
const LOOK_EVERY_MS = 500
const CLI = join(import.meta.dirname, "../../../apps/cli/src/main.ts")

interface Span {
  readonly spanId: string
  readonly parentSpanId: string | null
  readonly name: string
  readonly kind: string
  readonly service: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
}

describe.skipIf(kind !== "program")("one run of the default scenario (needs the nats-server program)", () => {
  const stack = new StackUnderTest({}, { BACKPLANE_START_SECONDS: "90" })
  const gateway = (): string => stack.state()?.http.url ?? "http://127.0.0.1:9"

  /** The newest trace of a flow that is as `isWhole` wants it: processes send their spans at their own pace. */
  const lastOf = async (flow: string, isWhole: (spans: readonly Span[]) => boolean): Promise<readonly Span[]> => {
    let spans: readonly Span[] = []
    for (let waited = 0; waited < DEADLINE_MS - 30_000; waited += LOOK_EVERY_MS) {
      const response = await fetch(`${gateway()}/api/traces/last/${flow}`)
      if (response.ok) ({ spans } = (await response.json()) as { spans: readonly Span[] })
      if (isWhole(spans)) return spans
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
    throw new Error(`no whole ${flow}; the last had ${spans.map(({ name, service }) => `${name} (${service})`).join(", ")}`)
  }
  /** A span of one process may have come before the one of another that it is below. */
  const hasAllParents = (spans: readonly Span[]): boolean => {
    const ids = new Set(spans.map(({ spanId }) => spanId))
    return spans.every(({ parentSpanId }) => parentSpanId === null || ids.has(parentSpanId))
  }
  /** One of the last traces with a span of this name that is as `isWhole` wants it. */
  const oneWith = async (span: string, isWhole: (spans: readonly Span[]) => boolean): Promise<readonly Span[]> => {
    for (let waited = 0; waited < DEADLINE_MS - 30_000; waited += LOOK_EVERY_MS) {
      const { traces } = (await (await fetch(`${gateway()}/api/traces?span=${span}&limit=20`)).json()) as { traces: { traceId: string }[] }
      for (const { traceId } of traces) {
        const response = await fetch(`${gateway()}/api/traces/${traceId}`)
        const { spans = [] } = (await response.json()) as { spans?: readonly Span[] }
        if (isWhole(spans) && hasAllParents(spans)) return spans
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
    throw new Error(`no whole trace with ${span}`)
  }
  const named = (spans: readonly Span[], name: string): readonly Span[] => spans.filter((span) => span.name === name)
  const childrenOf = (spans: readonly Span[], parent: Span | undefined): readonly Span[] =>
    spans.filter((span) => parent !== undefined && span.parentSpanId === parent.spanId)

  /** Names from a span's parent up to the root. */
  const lineOf = (spans: readonly Span[], of: Span | undefined): readonly string[] => {
    const parent = spans.find(({ spanId }) => spanId === of?.parentSpanId)
    return parent === undefined ? [] : [parent.name, ...lineOf(spans, parent)]
  }

  beforeAll(async () => {
    const { code, output } = await stack.upReal()
    expect(code, output).toBe(0)
  }, DEADLINE_MS)
  afterAll(() => stack.dispose())

  it(
    "follows a migration from the decision to the CPU that runs the task",
    async () => {
      const decided = /sched\.(dispatch|steal|decide|pick|wakeup)/
      const lineUp = (all: readonly Span[]): string => lineOf(all, named(all, "migrate")[0]).join(" < ")
      const spans = await lastOf("migration", (all) => all.some(({ service }) => service === "cpu-scheduler") && decided.test(lineUp(all)))
      const migrate = named(spans, "migrate")[0]
      expect(migrate?.service).toBe("numa-node")
      expect(migrate?.attributes).toMatchObject({ "backplane.task": expect.any(String) })
      // It is below what asked for a decision, or below the thief's question.
      expect(lineUp(spans)).toMatch(decided)
      expect(spans.filter(({ parentSpanId }) => parentSpanId === null)).toHaveLength(1)
    },
    DEADLINE_MS,
  )

  it(
    "follows a reconciliation from the writes that conflicted to every replica",
    async () => {
      const spans = await lastOf("reconciliation", (all) => all.length >= 3 && (all[0]?.links.length ?? 0) > 0)
      const root = spans.find(({ parentSpanId }) => parentSpanId === null)
      expect(root?.name).toMatch(/^kv\.reconcile (write-repair|read-repair|anti-entropy|hint)$/)
      expect(root?.attributes).toMatchObject({
        "backplane.key": expect.stringContaining("demo/basket-"),
        "backplane.rule": "siblings",
        "backplane.replicas": expect.stringMatching(/replica\.\d/),
      })
      expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(["kv-shard"]))
      const replicas = childrenOf(spans, root)
      expect(replicas.length).toBeGreaterThanOrEqual(1)
      for (const replica of replicas) expect(replica.name).toBe(root?.name)
      // A link leads to a write as its user made it: gateway, coordinator, replicas.
      const link = root?.links[0]
      const write = (await (await fetch(`${gateway()}/api/traces/${link?.traceId}`)).json()) as { spans: readonly Span[] }
      expect(named(write.spans, "kv.request")[0]?.service).toBe("gateway")
      expect(named(write.spans, "kv.write").length).toBeGreaterThan(0)
    },
    DEADLINE_MS,
  )

  it(
    "follows a system call over node and hypervisor, step by step",
    async () => {
      const stepsOf = (all: readonly Span[]): ReadonlySet<unknown> => new Set(all.map(({ attributes }) => attributes["backplane.step"]))
      // Not every trap returns before the next comes: one of the last is whole. Table B.3: trap, to the VMM, handler, its return, back.
      const isWhole = (all: readonly Span[]): boolean =>
        [1, 2, 3, 4, 5].every((step) => stepsOf(all).has(step)) &&
        all.some(({ parentSpanId, name }) => parentSpanId === null && name.startsWith("trap "))
      const spans = await oneWith("guest.resume", isWhole)
      const trap = spans.find(({ parentSpanId }) => parentSpanId === null)
      expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(["numa-node", "hypervisor"]))
      expect(trap?.attributes["backplane.step"]).toBe(1)
      expect(childrenOf(spans, trap).map(({ name }) => name)).toContain("vmm.exit")
      for (const resume of named(spans, "guest.resume")) expect(lineOf(spans, resume).at(-1)).toBe(trap?.name)
      for (const exit of named(spans, "vmm.exit")) expect(exit.service).toBe("hypervisor")
    },
    DEADLINE_MS,
  )

  it(
    "goes on making traps when its VMs have booted: a system call every five seconds",
    async () => {
      // Who boots makes them one after the other. A slow computer stretches all of it.
      const gapsOf = async (): Promise<readonly number[]> => {
        const { traces } = (await (await fetch(`${gateway()}/api/traces?root=trap%20ecall-from-user&limit=50`)).json()) as {
          traces: { startMicros: number }[]
        }
        const starts = traces.map(({ startMicros }) => startMicros / 1e6).sort((a, b) => a - b)
        return starts.slice(1).map((at, index) => at - (starts[index] ?? 0))
      }
      for (let waited = 0; waited < DEADLINE_MS - 30_000; waited += LOOK_EVERY_MS) {
        if ((await gapsOf()).slice(-2).filter((gap) => gap > 4).length === 2) return
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
      throw new Error(`no beat; seconds between system calls: ${(await gapsOf()).map((gap) => gap.toFixed(1)).join(" ")}`)
    },
    DEADLINE_MS,
  )

  it(
    "follows a TLB miss over node and hypervisor, step by step",
    async () => {
      const stepsOf = (all: readonly Span[]): readonly number[] =>
        [
          ...new Set(
            all.flatMap(({ attributes }) => (attributes["backplane.step"] === undefined ? [] : [Number(attributes["backplane.step"])])),
          ),
        ].sort()
      // Table B.5: miss, to the VMM, the guest's handler, its TLB write, its return, the real return, the load again.
      const spans = await oneWith("guest.return", (all) => stepsOf(all).length === 7)
      const miss = spans.find(({ parentSpanId }) => parentSpanId === null)
      expect(miss).toMatchObject({ name: "trap tlb-miss", service: "numa-node" })
      expect(stepsOf(spans)).toEqual([1, 2, 3, 4, 5, 6, 7])
      const at = (step: number): readonly Span[] => spans.filter(({ attributes }) => attributes["backplane.step"] === step)
      for (const step of [2, 4, 6]) for (const exit of at(step)) expect(exit).toMatchObject({ name: "vmm.exit", service: "hypervisor" })
      expect(at(5).map(({ name, service }) => ({ name, service }))).toEqual([{ name: "guest.return", service: "numa-node" }])
      expect(lineOf(spans, at(7)[0]).at(-1)).toBe("trap tlb-miss")
    },
    DEADLINE_MS,
  )

  it(
    "follows a wake-up: the node tells its scheduler, that decides, and a CPU of the node takes the task",
    async () => {
      const stepsOf = (all: readonly Span[]): readonly (Span | undefined)[] => {
        const wake = all.find(({ name, parentSpanId }) => name === "sched.wakeup" && parentSpanId === null)
        const told = childrenOf(all, wake).find(({ name }) => name === "handle SchedulerEvents")
        const pick = childrenOf(all, told).find(({ name }) => name === "sched.pick")
        const isItsDispatch = ({ name, attributes }: Span): boolean =>
          name === "sched.dispatch" && attributes["backplane.task"] === wake?.attributes["backplane.task"]
        return [wake, told, pick, childrenOf(all, pick).find(isItsDispatch)]
      }
      // Who wakes while no CPU is idle is decided on later, in the trace of the CPU that asks for work: one of the last is whole.
      const spans = await oneWith("sched.wakeup", (all) => stepsOf(all).every((step) => step !== undefined))
      const steps = stepsOf(spans)
      expect(steps.map((step) => [step?.name, step?.service, step?.kind])).toEqual([
        ["sched.wakeup", "numa-node", "client"],
        ["handle SchedulerEvents", "cpu-scheduler", "server"],
        ["sched.pick", "cpu-scheduler", "client"],
        ["sched.dispatch", "numa-node", "server"],
      ])
      const [wake, , pick, dispatch] = steps
      expect(wake?.attributes).toMatchObject({ "backplane.task": expect.any(String), "backplane.node": expect.any(Number) })
      expect(pick?.attributes).toMatchObject({ "backplane.policy": "mqms-warm", "backplane.queue": wake?.attributes["backplane.queue"] })
      expect(dispatch?.attributes).toMatchObject({
        "backplane.task": wake?.attributes["backplane.task"],
        "backplane.cpu": expect.any(Number),
      })
      expect(spans.filter(({ parentSpanId }) => parentSpanId === null)).toHaveLength(1)
    },
    DEADLINE_MS,
  )

  it(
    "tells every series and span that a dashboard asks for",
    async () => {
      const { missing } = liveFindings(committedDashboards(DASHBOARDS_FOLDER), await fetchLiveRun(gateway()))
      expect(missing).toEqual([])
    },
    DEADLINE_MS,
  )

  // The last one: it changes the machine.
  it(
    "follows a swap from the one who asked, through its shadow, to every node and its schedulers",
    async () => {
      const swap = spawn(process.execPath, [CLI, "--home", stack.home, "sched", "swap", "rr"], { stdio: ["ignore", "pipe", "ignore"] })
      expect(await finished(swap)).toMatchObject({ code: 0, output: expect.stringContaining("rr schedules now") })
      const below = (all: readonly Span[], name: string): readonly Span[] =>
        childrenOf(
          all,
          all.find(({ parentSpanId }) => parentSpanId === null),
        ).filter((span) => span.name === name)
      const isTaken = (all: readonly Span[], { spanId }: Span): boolean =>
        all.some((span) => span.name === "handle PolicySwapped" && span.parentSpanId === spanId)
      /** Node → scheduler → node: told of the swap, a scheduler takes up its queue. */
      const line = ["handle NodeUp", "sched.swap", "sched.swap"]
      const attached = (all: readonly Span[]): readonly Span[] =>
        named(all, "handle SchedulerAttach").filter((span) => lineOf(all, span).join() === line.join())
      const isWhole = (all: readonly Span[]): boolean =>
        below(all, "sched.swap").length === 2 && below(all, "sched.swap").every((one) => isTaken(all, one)) && attached(all).length > 0
      const spans = await lastOf("swap", isWhole)
      const roots = spans.filter(({ parentSpanId }) => parentSpanId === null)
      expect(roots.map(({ name, service, kind }) => [name, service, kind])).toEqual([["sched.swap", "hypervisor", "client"]])
      expect(roots[0]?.attributes).toMatchObject({ "backplane.policy": "rr", "backplane.reason": "in shadow first" })
      expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(["hypervisor", "numa-node", "cpu-scheduler"]))
      for (const name of ["sched.shadow", "sched.swap"]) {
        const told = below(spans, name)
        expect(told.map(({ service, kind }) => `${service} ${kind}`)).toEqual(["numa-node server", "numa-node server"])
        expect(new Set(told.map(({ attributes }) => attributes["backplane.node"]))).toEqual(new Set([0, 1]))
      }
      for (const attach of attached(spans)) expect(attach.service).toBe("numa-node")
      for (const up of named(spans, "handle NodeUp")) expect(up.service).toBe("cpu-scheduler")
    },
    DEADLINE_MS,
  )
})
