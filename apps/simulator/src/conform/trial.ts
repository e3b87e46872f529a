/** The trials that a scheduler is put through: machines and what is done to them. */
import { actorIndex, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Body, Machine } from "@backplane/foundation-actor/machine"
import { MessageCodec } from "@backplane/scenario-codec/message-codec"
import type { MachineSpec, PolicyName } from "@backplane/scenario-machine/machine-spec"
import { resolveMachineSpec, type MachineInput } from "@backplane/scenario-machine/resolve"
import { ownSeat, SECOND_SEAT } from "@backplane/scenario-machine/topology"
import { SchedulerMachine } from "@backplane/schedule-scheduler/scheduler"
import { FakeMachine, type Prank } from "./fake-machine.ts"
import { LAWS, type LawName, type Trial } from "./laws.ts"
import { MachineSubject, type Edge, type Subject } from "./subject.ts"

export type MakeSubject = (spec: MachineSpec, id: ActorId) => Subject

const codec = new MessageCodec()

/** What a bus does with a message that the contract does not know: drops it. */
export const edge: Edge = (body: Body) => {
  const decoded = codec.decode(JSON.parse(JSON.stringify(body)))
  return "rejection" in decoded ? null : decoded.body
}

/** Of this process, perhaps with a fault. */
export function ownSubject(change: (machine: Machine) => Machine = (machine) => machine): MakeSubject {
  return (spec, id) => new MachineSubject(change(new SchedulerMachine({ spec, queue: actorIndex(id), generation: 1 }) as Machine), edge)
}

const pinned = (name: string, cpu: number, run: number): NonNullable<MachineInput["jobs"]>[number] => ({
  name,
  run,
  workingSet: 0,
  affinity: [cpu],
})
const job = (name: string, run: number, more: object = {}): NonNullable<MachineInput["jobs"]>[number] => ({
  name,
  run,
  workingSet: 0,
  ...more,
})

/** Tasks of every kind: that only run, that sleep, give way, wake each other, are pinned, come late, weigh much or little. */
const JOBS: NonNullable<MachineInput["jobs"]> = [
  job("a", 40),
  job("b", 35),
  job("heavy", 30, { weight: 300 }),
  job("light", 20, { weight: 20 }),
  job("sleeper", 12, { phases: [{ run: 2, sleep: 9 }] }),
  job("polite", 12, { phases: [{ run: 3, yield: true }] }),
  job("ping", 18, { phases: [{ run: 2, signal: "there" }, { run: 1, await: "back" }] }), // prettier-ignore
  job("pong", 12, { phases: [{ run: 1, await: "there" }, { run: 1, signal: "back" }] }), // prettier-ignore
  pinned("pin-0", 0, 25),
  pinned("pin-3", 3, 25),
  job("late", 15, { arrival: 33 }),
  job("later", 9, { arrival: 71, phases: [{ run: 1, sleep: 4 }] }),
]

interface Setting {
  readonly input: MachineInput
  readonly pranks: (policy: PolicyName) => readonly Prank[]
  /** Choices are made ahead, by those that can. */
  readonly prefetch?: true
}

const none = (): readonly Prank[] => []
const changes =
  (...pranks: readonly Prank[]) =>
  (): readonly Prank[] =>
    pranks

/** The policy on two sets of two CPUs, and on all again. */
function twoSets(policy: PolicyName): readonly Prank[] {
  const one = ownSeat(policy)
  return [
    { tick: 14, what: { kind: "swap", epoch: 2, seats: [{ ...one, cpus: [0, 2] }, { ...one, seat: SECOND_SEAT, cpus: [1, 3] }] } }, // prettier-ignore
    { tick: 52, what: { kind: "swap", epoch: 3, seats: [one] } },
  ]
}

/** What every scheduler is put through. */
const SETTINGS: Readonly<Record<string, Setting>> = {
  "a busy machine": { input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS }, pranks: none },
  "one CPU": { input: { topology: { cpus: 1, nodes: 1 }, jobs: JOBS.filter(({ affinity = [0] }) => affinity.includes(0)) }, pranks: none },
  "turns on one CPU": {
    input: { topology: { cpus: 1, nodes: 1 }, jobs: ["a", "b", "c"].map((name) => job(name, 150)) },
    pranks: none,
  },
  "CPUs that go and come": {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes(
      { tick: 11, what: { kind: "offline", cpus: [1] } },
      { tick: 27, what: { kind: "offline", cpus: [1, 2] } },
      { tick: 41, what: { kind: "offline", cpus: [2] } },
      { tick: 63, what: { kind: "offline", cpus: [] } },
    ),
  },
  "tasks that get other CPUs": {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes(
      { tick: 8, what: { kind: "tune", task: "a", affinity: [2] } },
      { tick: 12, what: { kind: "tune", task: "b", affinity: [1], weight: 300 } },
      { tick: 19, what: { kind: "tune", task: "pin-3", affinity: [0] } },
      { tick: 33, what: { kind: "tune", task: "a", affinity: [] } },
      { tick: 38, what: { kind: "tune", task: "sleeper", affinity: [3], weight: 50 } },
    ),
  },
  "two sets of CPUs": { input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS }, pranks: twoSets },
  "choices ahead": { input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS }, pranks: none, prefetch: true },
  "a bus that doubles": {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes(...[3, 17, 29, 41, 58].map((tick): Prank => ({ tick, what: { kind: "repeat-events" } }))),
  },
  refusals: {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes(...[4, 13, 26, 39].map((tick): Prank => ({ tick, what: { kind: "refuse-run" } }))),
  },
  "choices that come late": {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes(...[6, 18, 31, 47].map((tick): Prank => ({ tick, what: { kind: "late-run" } }))),
  },
  "a swap": {
    input: { topology: { cpus: 4, nodes: 2 }, jobs: JOBS },
    pranks: changes({ tick: 12, what: { kind: "swap", epoch: 2 } }, { tick: 44, what: { kind: "swap", epoch: 3 } }),
  },
}

const TICKS_MAX = 600

export interface Finding {
  readonly law: LawName
  readonly setting: string
  readonly what: string
}

export interface Verdict {
  readonly findings: readonly Finding[]
  /** Of all settings, in order: what it decided, one line a decision. */
  readonly log: readonly string[]
}

/** Puts a scheduler through all settings and says which laws it breaks. */
export async function tryOut(make: MakeSubject, policy: PolicyName): Promise<Verdict> {
  const findings: Finding[] = []
  const log: string[] = []
  for (const [setting, { input, pranks: pranksOf, prefetch }] of Object.entries(SETTINGS)) {
    const pranks = pranksOf(policy)
    const spec = resolveMachineSpec({
      name: "conform",
      cache: { warmRate: 1 },
      ...input,
      schedule: { policy, sliceTicks: 5, ...(prefetch && { prefetch }) },
      clock: { mode: "free" },
    })
    const subjects = new Map(FakeMachine.schedulersOf(spec, pranks).map((id) => [id, make(spec, id)]))
    const machine = new FakeMachine(spec, subjects)
    const ended = await machine.run(pranks, TICKS_MAX)
    for (const subject of subjects.values()) await subject.close()
    findings.push(...judged({ spec, machine, ended }, setting))
    // Who makes choices ahead and who does not say different things, and both are right.
    if (prefetch !== true) log.push(`# ${setting}`, ...decisionsOf(machine))
  }
  return { findings, log }
}

function judged(trial: Trial, setting: string): readonly Finding[] {
  return (Object.keys(LAWS) as LawName[]).flatMap((law) => {
    const what = LAWS[law](trial)
    return what === null ? [] : [{ law, setting, what }]
  })
}

/** Every decision, with when it was said and by which scheduler. */
function decisionsOf({ passed }: FakeMachine): readonly string[] {
  return passed.flatMap(({ at, from, to, body }) => {
    if (body.kind !== "SchedulerCommit") return []
    const { commit, seen, decisions } = body as unknown as { commit: number; seen: number; decisions: readonly object[] }
    return [`${at} ${from} ${to} ${commit} ${seen} ${JSON.stringify(decisions.map(sorted))}`]
  })
}

/** Languages order the fields of an object each in their own way. */
function sorted(decision: object): object {
  return Object.fromEntries(Object.entries(decision).sort(([a], [b]) => (a < b ? -1 : 1)))
}
