/**
 * `boot`: a guest as a VM of a simulated machine, talked with as an operator does. Takes JSON on standard input (machine, VM, files of its
 * images, steps) and prints what came of it as JSON. The `backplane` command calls it for `boot --sim`.
 */
import { readFileSync } from "node:fs"
import { NodeMachine } from "@backplane/compute-node/node"
import { actorId } from "@backplane/foundation-actor/actor-id"
import { machineSpecOf } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"
import { actorsWith } from "./machine-actors.ts"
import { imagesOf } from "./memory-images.ts"
import { machineWorld } from "./simulate.ts"
import { addStore, StoreAsker } from "./store-actors.ts"
import { VmOperator } from "./vm-operator.ts"

interface BootInput {
  readonly machine: MachineSpec
  readonly vm: VmSpec
  readonly files: readonly string[]
  readonly steps: readonly ConversationStep[]
  readonly timeoutSeconds?: number
}

/** A disk in the simulated store begins empty, with so many bytes: the store is as old as the machine. */
const VOLUME_BYTES = 16 << 20

export interface SimulatedBoot {
  readonly ok: boolean
  readonly exit: number
  readonly reason: string
  readonly message?: string
  readonly refused?: string
  readonly bus: "sim"
  readonly mode: string
  readonly cpus: number
  readonly instructions: number
  readonly seconds: number
  readonly exits: Readonly<Record<string, number>>
  readonly state?: string
  readonly transcript: string
}

const EXIT_LIMIT = 124
/** Machine time between two looks at the console. */
const LOOK_TICKS = 10
/** A guest that waits and gets nothing to read is idle after so many looks without a word: two seconds of its own time. */
const QUIET_LOOKS_MAX = 200

export function bootCommand(): number {
  const { machine, ...input } = JSON.parse(readFileSync(0, "utf8")) as BootInput
  process.stdout.write(JSON.stringify(bootSimulated({ machine: machineSpecOf(machine), ...input })))
  return 0
}

export function bootSimulated({ machine, vm, files, steps, timeoutSeconds }: BootInput): SimulatedBoot {
  const started = performance.now()
  const world = machineWorld(machine, { fingerprint: "off" }, actorsWith(imagesOf(files)))
  const operator = new VmOperator(world, machine.clock.tickCycles)
  if (vm.disk !== undefined && "volume" in vm.disk) {
    addStore(world, machine)
    new StoreAsker(world, (ticks) => operator.ticks(ticks)).makeVolume(vm.disk.volume, VOLUME_BYTES)
  }
  const node = (): NodeVms | null =>
    (world.inspect(actorId("node.0"), NodeMachine)?.inspect() as { vms: NodeVms | null } | undefined)?.vms ?? null
  const created = operator.create(vm)
  const end = created.answer === "refused" ? null : talk(operator, vm.name, { steps, timeoutSeconds, started })
  const view = operator.list()[0]
  const refused = created.answer === "refused" ? created.reason : view?.state === "refused" ? view.reason : undefined
  const seen = [...(node()?.vms ?? []), ...(node()?.ended ?? [])][0]
  const outcome = view?.outcome ?? null
  const reason = end?.reason === "over" ? (outcome?.reason ?? "lost") : (end?.reason ?? "refused")
  const exit = end?.reason === "steps-done" ? 0 : end?.reason === "over" ? (outcome?.exit ?? 1) : EXIT_LIMIT
  return {
    ok: end?.reason === "steps-done" || (end?.reason === "over" && exit === 0 && end.waitsFor === null),
    ...{ exit, reason, bus: "sim", mode: vm.mode, cpus: vm.cpus },
    ...(end !== null && end.waitsFor !== null && { message: `still waiting for ${JSON.stringify(end.waitsFor)}` }),
    ...(refused !== undefined && { refused }),
    instructions: seen?.instructions ?? outcome?.instructions ?? 0,
    seconds: Math.round(performance.now() - started) / 1000,
    exits: seen?.exits ?? {},
    ...(outcome !== null && { state: outcome.state }),
    transcript: end?.transcript ?? "",
  }
}

interface NodeVms {
  readonly vms: readonly Seen[]
  readonly ended: readonly Seen[]
}

interface Seen {
  readonly instructions: number
  readonly exits: Readonly<Record<string, number>>
}

interface TalkEnd {
  readonly reason: "steps-done" | "over" | "timeout" | "idle"
  readonly waitsFor: string | null
  readonly transcript: string
}

function talk(
  operator: VmOperator,
  vm: string,
  {
    steps,
    timeoutSeconds = Infinity,
    started,
  }: Pick<BootInput, "steps"> & { readonly timeoutSeconds: number | undefined; readonly started: number },
): TalkEnd {
  let waiting = ""
  let transcript = ""
  let seq = 0
  let quiet = 0
  const conversation = new Conversation(steps, (text) => (waiting += text))
  const end = (reason: TalkEnd["reason"]): TalkEnd => ({ reason, waitsFor: conversation.waitsFor(), transcript })
  for (let at = 0; ;) {
    const state = operator.stateOf(vm)
    if (waiting.length > 0 && state === "running") waiting = waiting.slice(operator.type(vm, ++seq, waiting.slice(0, 4096)).taken)
    const { from, text } = operator.read(vm, at)
    at = from + text.length
    transcript += text
    conversation.hear(text)
    if (conversation.done() && waiting.length === 0) return end("steps-done")
    if (text === "" && state !== "running" && state !== "moving" && state !== "placing") return end("over")
    quiet = text === "" && waiting === "" && state === "running" && operator.isIdle() ? quiet + 1 : 0
    if (quiet > QUIET_LOOKS_MAX) return end("idle")
    if (performance.now() - started > timeoutSeconds * 1000) return end("timeout")
    if (text === "") operator.ticks(LOOK_TICKS)
  }
}
