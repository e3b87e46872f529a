/** `backplane boot`: one guest OS from image to result. Time and limits of the person are here; the machine knows instructions only. */
import { writeFileSync } from "node:fs"
import { Conversation } from "@backplane/trap-board/conversation"
import type { CostTable } from "@backplane/trap-vmm/costs"
import { makeBootMachine, type BootMachine } from "./boot-machine.ts"
import { timingText, type TimingReport } from "./boot-timing.ts"
import { planOf, refuse, type BootFlags, type BootPlan, type BootStep } from "./boot-flags.ts"
import { readFile } from "./guest-file.ts"
import { unwritable } from "./output-file.ts"

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
const BYTE_MAX = 255
/** Between two looks at clock and console: some milliseconds. */
const CHUNK_INSTRUCTIONS = 500_000

export interface BootOutcome {
  readonly ok: boolean
  readonly exit: number
  readonly reason: string
  readonly message?: string
}

export interface BootReport extends BootOutcome {
  readonly mode: BootPlan["mode"]
  readonly mmu: BootPlan["mmu"]
  readonly cpus: number
  readonly instructions: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly mips: number
  readonly exits: Readonly<Record<string, number>>
  /** Under a VMM: by class, and what was served without it. */
  readonly classes?: Readonly<Record<string, number>>
  readonly assisted?: Readonly<Record<string, number>>
  readonly sectorsWritten?: number
  /** Hash over memory, registers and CSRs, where the guest ended by itself: equal for equal ends, in every mode and mmu, on machines of services too. */
  readonly state?: string
  /** Of a timed run: virtual time, by CPU and by event. */
  readonly timing?: TimingReport
}

export function bootGuest(flags: BootFlags, steps: readonly BootStep[]): number {
  const output: string[] = []
  const emit = (text: string): void => {
    if (flags.json === true) output.push(text)
    else if (text.length > 0) process.stdout.write(text)
  }
  const { report } = runBoot(flags, { steps, emit })
  if (flags.json === true) console.log(JSON.stringify({ ...report, transcript: output.join("") }))
  else {
    const message = report.message === undefined ? "" : `: ${report.message}`
    console.error(`backplane: ${report.reason}${message}, exit ${report.exit}; ${report.instructions} instructions, ${report.seconds} s`)
    for (const [cause, times] of Object.entries(report.exits)) console.error(`${String(times).padStart(12)} ${cause}`)
    if (report.timing !== undefined) console.error(timingText(report.timing))
  }
  return report.exit <= BYTE_MAX ? report.exit : BYTE_MAX
}

export function runBoot(
  flags: BootFlags,
  { steps, emit, costs }: { readonly steps: readonly BootStep[]; readonly emit: (text: string) => void; readonly costs?: CostTable },
): { readonly report: BootReport; readonly machine: BootMachine } {
  const plan = planOf(flags)
  const machine = makeBootMachine(flags, plan, costs)
  if (flags.saveDisk !== undefined && machine.disk === null) throw refuse("--save-disk", "there is no disk", "give --disk, too")
  // Before the run: what the guest made of its disk shall not be lost for want of a folder.
  const problem = flags.saveDisk === undefined ? null : unwritable(flags.saveDisk)
  if (problem !== null) throw refuse("--save-disk", `${flags.saveDisk}: ${problem}`, "give a file that can be written")
  if (flags.stdin !== undefined) feed(machine, { data: readFile(flags.stdin, "--stdin"), field: "--stdin" })
  const type = (text: string): void => feed(machine, { data: Buffer.from(text), field: "--type" })
  const started = performance.now()
  const cpuStarted = process.cpuUsage()
  const { isEnd, ...outcome } = drive(machine, flags, { conversation: new Conversation(steps, type), emit })
  const elapsed = (performance.now() - started) / 1000
  const cpu = process.cpuUsage(cpuStarted)
  if (flags.saveDisk !== undefined && machine.disk !== null) save(flags.saveDisk, machine.disk.merged())
  const report = {
    ...outcome,
    ...plan,
    cpus: flags.cpus,
    instructions: machine.instructions(),
    seconds: round(elapsed),
    cpuSeconds: round((cpu.user + cpu.system) / 1e6),
    mips: round(machine.instructions() / elapsed / 1e6),
    exits: record(machine.exits()),
    ...(machine.virtual !== null && { classes: machine.virtual.ledger.byClass(), assisted: record(machine.virtual.ledger.assisted()) }),
    ...(machine.timing !== null && { timing: machine.timing() }),
    ...(machine.disk !== null && { sectorsWritten: machine.disk.sectorsWritten() }),
    ...(isEnd && { state: machine.state() }),
  }
  return { report, machine }
}

interface Driven extends BootOutcome {
  /** The guest ended by itself. */
  readonly isEnd: boolean
}

interface Driving {
  readonly conversation: Conversation
  readonly emit: (text: string) => void
}

function drive(machine: BootMachine, flags: BootFlags, { conversation, emit }: Driving): Driven {
  const instructionsMax = flags.maxInstructions ?? Infinity
  const deadline = flags.timeout === undefined ? Infinity : performance.now() + flags.timeout * 1000
  const decoder = new TextDecoder()
  for (;;) {
    if (conversation.done()) return { ok: true, exit: 0, reason: "steps-done", isEnd: false }
    const left = instructionsMax - machine.instructions()
    if (left <= 0) return limit("limit", conversation)
    const before = conversation.progress()
    const stop = machine.run(Math.min(left, CHUNK_INSTRUCTIONS))
    const text = decoder.decode(machine.console.takeOutput(), { stream: true })
    emit(text)
    conversation.hear(text)
    switch (stop.kind) {
      case "end":
        if (conversation.done()) return { ok: true, exit: 0, reason: "steps-done", isEnd: true }
        return { ok: stop.code === 0 && conversation.waitsFor() === null, exit: stop.code, reason: stop.reason, isEnd: true }
      case "stuck":
        return { ok: false, exit: EXIT_LIMIT, reason: "stuck", message: stop.detail, isEnd: false }
      case "idle":
      case "paused":
      case "waiting":
        // What was typed just now will wake it.
        if (conversation.done() || conversation.progress() !== before) break
        return idle(conversation)
      case "budget":
        break
    }
    if (performance.now() >= deadline && !conversation.done()) return limit("timeout", conversation)
  }
}

function limit(reason: string, conversation: Conversation): Driven {
  const waited = conversation.waitsFor()
  return {
    ok: false,
    exit: EXIT_LIMIT,
    reason,
    isEnd: false,
    ...(waited !== null && { message: `still waiting for ${JSON.stringify(waited)}` }),
  }
}

function idle(conversation: Conversation): Driven {
  const { message, ...outcome } = limit("idle", conversation)
  const why = "every vCPU waits, no timer is set and no input is left"
  if (message !== undefined) return { ...outcome, message: `${message}, and ${why}` }
  return { ...outcome, message: `${why}; give --type or --stdin, or --live for a terminal` }
}

function feed(machine: BootMachine, { data, field }: { readonly data: Uint8Array; readonly field: string }): void {
  const taken = machine.console.feed(data)
  if (taken < data.length) throw refuse(field, `${data.length} bytes do not fit the console`, `give at most ${taken}`)
}

function save(path: string, data: Uint8Array): void {
  try {
    writeFileSync(path, data)
  } catch (error) {
    throw refuse("--save-disk", error instanceof Error ? error.message : String(error), "give a file that can be written")
  }
}

/** Most frequent first. */
function record(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].sort(([a, left], [b, right]) => right - left || (a < b ? -1 : 1)))
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4
