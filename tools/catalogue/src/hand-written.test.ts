/**
 * Schemas written by hand agree with the parsers that are the truth: on right values, and on every wrong neighbour of each.
 *
 * (The office's schemas are tried in the hypervisor app, beside its parser.)
 */
import type { Json } from "@backplane/foundation-base/json"
import { lockstepProblem } from "@backplane/foundation-lockstep/protocol"
import { parseControlRequest } from "@backplane/foundation-runtime/control-protocol"
import { Value } from "typebox/value"
import { describe, expect, it } from "vitest"
import { HostRequest } from "./host-schemas.ts"
import { lockstepMessages } from "./lockstep-schemas.ts"
import { mutationsOf } from "./testing/mutations.ts"

const HOST_REQUESTS: readonly Json[] = [
  { op: "ping" },
  { op: "report" },
  { op: "inspect", machine: "demo", actor: "node.0" },
  { op: "unhost", machine: "demo", actors: "all" },
  { op: "unhost", machine: "demo", actors: ["node.0", "scheduler.cpu-1"] },
  { op: "host", machine: "demo", actors: [{ id: "node.0" }] },
  {
    op: "host",
    machine: "demo",
    epoch: 2,
    mode: { kind: "free", cyclesPerSecond: 1000, originMilliseconds: 1.5 },
    actors: [{ id: "node.0", config: { a: 1 } }],
  },
  {
    op: "host",
    machine: "demo",
    epoch: 1,
    mode: { kind: "lock-step", latencyCycles: 100, persistLatencyCycles: 0 },
    actors: [{ id: "node.0" }],
  },
]

const port = "port-numa-node.numa-node-0"
const life = { clock: 1, incarnation: "a", number: 3 }
const LOCKSTEP: readonly ({ readonly kind: string } & Readonly<Record<string, Json>>)[] = [
  { kind: "LockstepHello", incarnation: "a", roster: 0, actors: [{ id: "node.0", since: 5 }], through: 0, next: 7, external: false },
  {
    kind: "LockstepGrant",
    ...life,
    until: 9,
    expect: [{ from: port, count: 1, before: 9 }],
    lost: [port],
    acked: [{ to: port, before: 3 }],
    roster: { version: 1, ports: [{ port, actors: [{ id: "node.0", since: 0 }] }] },
    externalAt: 4,
  },
  { kind: "LockstepDone", ...life, through: 9, next: 11, sent: [{ to: port, count: 2, earliest: 10 }] },
  { kind: "LockstepBusy", ...life, missing: [port] },
  { kind: "LockstepResend" },
  { kind: "LockstepExpelled", incarnation: "a" },
  { kind: "LockstepGone", port },
  { kind: "LockstepLimit", until: 100 },
  { kind: "LockstepQuery" },
  { kind: "LockstepStatus", phase: "running", idle: false, time: 9, grants: 3, waitingFor: ["node.0"], lost: [] },
]

describe("requests to a process", () => {
  const parsed = (value: Json): boolean => !("ok" in parseControlRequest(value))

  it.each(HOST_REQUESTS.map((value) => [JSON.stringify(value), value] as const))("%s", (_, value) => {
    expect(parsed(value)).toBe(true)
    expect(Value.Check(HostRequest, value)).toBe(true)
    for (const { what, value: wrong } of mutationsOf(value)) expect([what, Value.Check(HostRequest, wrong)]).toEqual([what, parsed(wrong)])
  })
})

describe("messages of lock-step", () => {
  it("are all tried", () => {
    expect(LOCKSTEP.map(({ kind }) => kind).sort()).toEqual(Object.keys(lockstepMessages).sort())
  })

  it.each(LOCKSTEP.map((value) => [value.kind, value] as const))("%s", (kind, value) => {
    const schema = lockstepMessages[kind]!
    const known = (body: Json): boolean => lockstepProblem(body as { kind: string }) === null
    expect(known(value)).toBe(true)
    expect(Value.Check(schema, value)).toBe(true)
    const wrong = mutationsOf(value).filter(({ what }) => !what.startsWith("/kind"))
    for (const { what, value: changed } of wrong) expect([what, Value.Check(schema, changed)]).toEqual([what, known(changed)])
  })
})
