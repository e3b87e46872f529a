/**
 * `backplane boot --live` and `--sim`: the guest as a VM of a machine of its own, over NATS or in the simulator. What it says and what came of
 * it are reported as of a guest in this process (boot-run.ts).
 */
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"
import { TICKS_MAX, type MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { volumeNamed } from "@backplane/scenario-machine/resolve-vms"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import { PAGE_BYTES, VOLUME_PREFIX, type VmSpec } from "@backplane/scenario-machine/vm-spec"
import { machineBytesFor } from "@backplane/trap-vmm/vmm"
import type { VmView } from "@backplane/trap-contract/vm-operator-messages"
import { attachTerminal } from "./console-terminal.ts"
import { refuse, typedFirst, type BootFlags } from "./boot-flags.ts"
import { runProgram } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { imageRef } from "./image-upload.ts"
import { withStack } from "./live-stack.ts"
import type { StackClient } from "./stack-client.ts"
import { inspectOnNode, VmClient } from "./vm-client.ts"
import { bringImages } from "./commands/vm.ts"
import { nodesOf } from "./boot-over-nodes.ts"
import { byFlag, vmSpecOf } from "./vm-flags.ts"

/** As `timeout(1)` says it. */
const EXIT_LIMIT = 124
const BYTE_MAX = 255
/** The VM's name. */
const GUEST = "guest"
const RETRY_MILLISECONDS = 20
/** Frames of the node beside those of the VM. */
const SPARE_FRAMES = 1024
/** One tick is ten milliseconds: what is silent for 200 of them is lost, and a busy computer may stop a process for a while. */
const TICK_CYCLES = 10_000_000
const CYCLES_PER_SECOND = 1_000_000_000
/** About what an engine gets through in a tick. */
const INSTRUCTIONS_PER_TICK = 1_000_000

export interface MachineBootReport {
  readonly ok: boolean
  readonly exit: number
  readonly reason: string
  readonly message?: string
  readonly bus: "nats" | "sim"
  readonly mode: string
  readonly cpus: number
  readonly instructions: number
  readonly seconds: number
  readonly exits: Readonly<Record<string, number>>
  /** Hash over memory and registers, where the guest ended by itself. */
  readonly state?: string
  readonly transcript: string
}

export async function bootOnMachine(flags: BootFlags, steps: readonly ConversationStep[], home: string): Promise<number> {
  if (flags.sim === true && flags.live === true) throw refuse("--live", "--sim and --live exclude each other", "give one")
  if (flags.saveDisk !== undefined)
    throw refuse("--save-disk", "the disk stays on its node", "leave it out, or boot without --sim and --live")
  if (flags.polling !== undefined)
    throw refuse("--polling", "a machine's scheduler says which vCPU runs", "leave it out, or boot without --sim and --live")
  if ((flags.fidelity ?? "functional") !== "functional")
    throw refuse("--fidelity", `${flags.fidelity} is not built for a machine of services`, "boot without --sim and --live")
  const all = [...typedFirst(flags), ...steps]
  const report = flags.live === true ? await bootLive(flags, all, home) : await bootSimulated(flags, all)
  if (flags.json === true) console.log(JSON.stringify(report))
  else {
    const message = report.message === undefined ? "" : `: ${report.message}`
    console.error(`backplane: ${report.reason}${message}, exit ${report.exit}; ${report.instructions} instructions, ${report.seconds} s`)
    for (const [cause, times] of Object.entries(report.exits)) console.error(`${String(times).padStart(12)} ${cause}`)
  }
  return report.exit <= BYTE_MAX ? report.exit : BYTE_MAX
}

/** The machine around the guest: the nodes that it lies on, with a CPU for each vCPU. */
export function machineAround(name: string, vm: Pick<VmSpec, "cpus" | "memoryBytes" | "span">, mode: "free" | "lock-step"): MachineSpec {
  const { cpus: vcpus, memoryBytes, span = [0] } = vm
  const { length: nodes } = span
  return resolveMachineSpec({
    name,
    topology: {
      ...{ nodes, cpus: nodes * Math.ceil(vcpus / nodes) },
      framesPerNode: machineBytesFor({ memoryBytes, vcpus }) / PAGE_BYTES + SPARE_FRAMES,
    },
    schedule: { policy: "cfs", sliceTicks: 2 },
    clock: { mode, tickCycles: TICK_CYCLES, latencyCycles: 1_000, cyclesPerSecond: CYCLES_PER_SECOND },
    jobs: [],
    maxTicks: TICKS_MAX,
  })
}

function describe(flags: BootFlags, images: Parameters<typeof vmSpecOf>[2]): VmSpec {
  const { maxInstructions } = flags
  const nodes = nodesOf(flags)
  const span = nodes === 1 ? {} : { span: Array.from({ length: nodes }, (_, node) => node).join(",") }
  const vm = vmSpecOf(GUEST, { ...flags, ...span, speed: flags.speed ?? INSTRUCTIONS_PER_TICK }, images)
  return maxInstructions === undefined ? vm : { ...vm, instructionsMax: maxInstructions }
}

/** What becomes images, with the flags that name it: kernel, disk, RAM disk, as far as given. */
function filesOf({ kernel, disk, initrd }: BootFlags): readonly { readonly path: string; readonly flag: string }[] {
  return [
    { path: kernel, flag: "--kernel" },
    ...(disk === undefined || disk.startsWith(VOLUME_PREFIX) ? [] : [{ path: disk, flag: "--disk" }]),
    ...(initrd === undefined ? [] : [{ path: initrd, flag: "--initrd" }]),
  ]
}

async function bootLive(flags: BootFlags, steps: readonly ConversationStep[], home: string): Promise<MachineBootReport> {
  // Before a stack is started for it.
  for (const { path, flag } of filesOf(flags)) if (!path.startsWith(VOLUME_PREFIX)) imageRef(path, { flag })
  return withStack(home, async (client) => {
    const started = performance.now()
    const vm = describe(flags, await bringImages(client, flags, home))
    const machine = `boot-${process.pid}-${Date.now().toString(36)}`
    await client.office({ op: "create", spec: machineAround(machine, vm, "free") })
    const vms = new VmClient(client, machine)
    try {
      await vms.create(vm, true)
      const talk = await converse(vms, flags, steps)
      return await reportOf({ client, vms, machine }, flags, { ...talk, seconds: (performance.now() - started) / 1000 })
    } finally {
      await client.office({ op: "destroy", machine })
    }
  })
}

interface Talk {
  readonly reason: "steps-done" | "timeout" | "over" | "left"
  readonly waitsFor: string | null
  readonly transcript: string
}

/** Talks with the guest until the steps are done, the time is over, or it has ended. */
async function converse(vms: VmClient, flags: BootFlags, steps: readonly ConversationStep[]): Promise<Talk> {
  if (steps.length === 0 && process.stdin.isTTY && flags.json !== true) {
    console.error("backplane: Ctrl-] leaves")
    const end = await attachTerminal(vms, { name: GUEST, restartable: false })
    return { reason: end.kind === "left" ? "left" : "over", waitsFor: null, transcript: "" }
  }
  const deadline = flags.timeout === undefined ? Infinity : Date.now() + flags.timeout * 1000
  let waiting = Buffer.alloc(0)
  const conversation = new Conversation(steps, (text) => (waiting = Buffer.concat([waiting, Buffer.from(text, "latin1")])))
  const heard: Buffer[] = []
  const end = (reason: Talk["reason"]): Talk => ({ reason, waitsFor: conversation.waitsFor(), transcript: Buffer.concat(heard).toString() })
  for (let at = 0; ;) {
    while (waiting.length > 0) {
      const { taken, state } = await vms.type(GUEST, waiting)
      waiting = waiting.subarray(taken)
      if (taken > 0) continue
      if (state !== "placing" && state !== "running" && state !== "moving") break
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS))
      if (Date.now() >= deadline) return end("timeout")
    }
    if (conversation.done()) return end("steps-done")
    const { from, bytes, state } = await vms.read(GUEST, at)
    at = from + bytes.length
    heard.push(Buffer.from(bytes))
    if (flags.json !== true) process.stdout.write(bytes)
    conversation.hear(Buffer.from(bytes).toString("latin1"))
    const isOver = bytes.length === 0 && state !== "placing" && state !== "running" && state !== "moving" && state !== "paused"
    if (isOver) return end("over")
    if (Date.now() >= deadline && !conversation.done()) return end("timeout")
  }
}

async function reportOf(
  { client, vms, machine }: { readonly client: StackClient; readonly vms: VmClient; readonly machine: string },
  flags: BootFlags,
  talk: Talk & { readonly seconds: number },
): Promise<MachineBootReport> {
  const view = await vms.find(GUEST)
  if (view === null) throw new CommandFailure("failure", "the VM is gone")
  if (view.state === "refused" || view.state === "lost") throw new CommandFailure(view.state, `the guest is ${view.state}: ${view.reason}`)
  const onNode = await inspectOnNode(client, machine, view)
  return {
    ...outcomeOf(talk, view),
    bus: "nats",
    ...{ mode: flags.mode, cpus: flags.cpus },
    instructions: Number(onNode?.["instructions"] ?? view.outcome?.instructions ?? 0),
    seconds: Math.round(talk.seconds * 1e4) / 1e4,
    exits: (onNode?.["exits"] ?? {}) as Readonly<Record<string, number>>,
    ...(view.outcome !== null && { state: view.outcome.state }),
    transcript: talk.transcript,
  }
}

function outcomeOf({ reason, waitsFor }: Talk, { outcome }: VmView): Pick<MachineBootReport, "ok" | "exit" | "reason" | "message"> {
  if (reason === "steps-done" || reason === "left") return { ok: true, exit: 0, reason }
  const message = waitsFor === null ? {} : { message: `still waiting for ${JSON.stringify(waitsFor)}` }
  if (reason === "timeout" || outcome === null) return { ok: false, exit: EXIT_LIMIT, reason: "timeout", ...message }
  return { ok: outcome.exit === 0 && waitsFor === null, exit: outcome.exit, reason: outcome.reason, ...message }
}

async function bootSimulated(flags: BootFlags, steps: readonly ConversationStep[]): Promise<MachineBootReport> {
  // A disk in the store is an empty one there: the simulated machine has a store of its own.
  const diskFile = flags.disk?.startsWith(VOLUME_PREFIX) === true ? undefined : flags.disk
  const given = filesOf(flags)
  const files = given.map(({ path }) => path)
  const [kernel, ...others] = given.map(({ path, flag }) => imageRef(path, { flag }).ref)
  if (kernel === undefined) throw refuse("--kernel", "it is missing", "give one")
  const volume =
    flags.disk === undefined || diskFile !== undefined ? undefined : volumeNamed(flags.disk.slice(VOLUME_PREFIX.length), "--disk")
  const disk = diskFile === undefined ? volume : others.shift()
  const initrd = flags.initrd === undefined ? undefined : others.shift()
  const vm = describe(flags, { kernel, ...(disk && { disk }), ...(initrd && { initrd }) })
  const machine = machineAround("boot", vm, "free")
  const { timeout } = flags
  const input = { machine, vm, files, steps, ...(timeout !== undefined && { timeoutSeconds: timeout }) }
  const { code, stdout } = await runProgram("apps/simulator/src/main.ts", ["boot"], JSON.stringify(input))
  if (code !== 0) throw new CommandFailure("simulation", "the simulation failed; see above")
  const report = JSON.parse(stdout) as MachineBootReport & { readonly refused?: string }
  if (report.refused !== undefined) throw new CommandFailure("refused", `the guest is refused: ${byFlag(report.refused)}`)
  if (flags.json !== true) process.stdout.write(report.transcript)
  return report
}
