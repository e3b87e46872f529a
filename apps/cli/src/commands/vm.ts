/** `backplane vm create | list | move | start | pause | resume | stop | destroy | inspect`: virtual machines of a running machine. */
import type { VmSpec } from "@backplane/scenario-machine/vm-spec"
import type { VmView } from "@backplane/trap-contract/vm-operator-messages"
import type { Command } from "commander"
import { CommandFailure } from "../failure.ts"
import { bringDisk, bringImage } from "../image-upload.ts"
import { homeOf, onRunningStack } from "../running-stack.ts"
import type { StackClient } from "../stack-client.ts"
import { nodeNumber } from "../number-flags.ts"
import { inspectOnNode, VmClient } from "../vm-client.ts"
import { trapLines } from "../vm-traps.ts"
import { addVmFlags, byFlag, vmSpecOf, type VmFlags, type VmImages } from "../vm-flags.ts"

interface Common {
  readonly machine: string
  readonly json?: true
}

interface CreateFlags extends Common, VmFlags {
  readonly kernel: string
  readonly disk?: string
  readonly initrd?: string
  /** `--no-start`. */
  readonly start: boolean
}

interface MoveFlags extends Common {
  readonly to: number
}

interface InspectFlags extends Common {
  readonly traps?: true
}

/** When what was asked for is so, and how that is said. */
const CONTROLS = {
  start: { help: "boot it", isSo: (view: VmView | null) => view?.state === "running" || view?.state === "ended", done: "runs" },
  pause: { help: "let no vCPU of it run until it is resumed", isSo: (view: VmView | null) => view?.state === "paused", done: "is paused" },
  resume: { help: "go on after a pause", isSo: (view: VmView | null) => view?.state === "running", done: "goes on" },
  stop: {
    help: "end it as if its power failed; its disk stays",
    isSo: (view: VmView | null) => view?.state === "stopped",
    done: "is stopped",
  },
  destroy: { help: "end it and forget it and its disk", isSo: (view: VmView | null) => view === null, done: "is gone" },
} as const

export function register(program: Command): void {
  const vm = program.command("vm").description("virtual machines of a running machine")
  const common = (command: Command): Command => command.option("--machine <name>", "which machine", "demo").option("--json", "print JSON")
  common(
    addVmFlags(
      vm.command("create").description("bring its images to the stack, make it, boot it").argument("<name>", "unique in the machine"),
    ),
  )
    .option("--no-start", "do not boot it yet")
    .action((name: string, flags: CreateFlags, command: Command) =>
      withVms(command, flags, (client, vms) => create({ client, vms }, name, flags, homeOf(command))),
    )
  common(vm.command("list").description("the VMs there are")).action((flags: Common, command: Command) =>
    withVms(command, flags, async (_client, vms) => printList(await vms.list(), flags)),
  )
  common(vm.command("inspect").description("all that is known of one: description, life, exits by cause").argument("<vm>"))
    .option("--traps", "and its last exits, one a line: when, why, where")
    .action((name: string, flags: InspectFlags, command: Command) =>
      withVms(command, flags, (client, vms) => inspect({ client, vms }, name, flags)),
    )
  common(vm.command("move").description("move it to another node while it runs: stop, copy, go on there").argument("<vm>"))
    .requiredOption("--to <node>", "the node, by its number", nodeNumber)
    .action((name: string, flags: MoveFlags, command: Command) =>
      withVms(command, flags, (client, vms) => move({ client, vms }, name, flags)),
    )
  for (const [name, { help, isSo, done }] of Object.entries(CONTROLS))
    common(vm.command(name).description(help).argument("<vm>")).action((of: string, flags: Common, command: Command) =>
      withVms(command, flags, async (_client, vms) => {
        await vms.control(of, name as keyof typeof CONTROLS)
        const view = await vms.waitFor(of, isSo)
        console.log(flags.json === true ? JSON.stringify({ vm: of, state: view?.state ?? "destroyed" }) : `${of} ${done}`)
      }),
    )
}

async function withVms(command: Command, flags: Common, use: (client: StackClient, vms: VmClient) => Promise<void>): Promise<void> {
  await onRunningStack(command, (client) => use(client, new VmClient(client, flags.machine)))
}

const MIB = 2 ** 20
const PATIENCE_MILLISECONDS = 30_000
const PATIENCE_MILLISECONDS_PER_MIB = 2_000

function imageBytes({ kernel, disk, initrd }: VmSpec): number {
  return kernel.bytes + (disk !== undefined && "bytes" in disk ? disk.bytes : 0) + (initrd?.bytes ?? 0)
}

interface Ends {
  readonly client: StackClient
  readonly vms: VmClient
}

async function create({ client, vms }: Ends, name: string, flags: CreateFlags, home: string): Promise<void> {
  const spec = vmSpecOf(name, flags, await bringImages(client, flags, home))
  await vms.create(spec, flags.start).catch((error: unknown) => {
    throw error instanceof CommandFailure ? new CommandFailure(error.kind, byFlag(error.message), { exitCode: error.exitCode }) : error
  })
  // Its images travel to the node piece by piece first.
  const patience = PATIENCE_MILLISECONDS + (imageBytes(spec) / MIB) * PATIENCE_MILLISECONDS_PER_MIB
  const isThere = (seen: VmView | null): boolean => (flags.start ? seen?.state === "running" || seen?.state === "ended" : seen !== null)
  const view = await vms.waitFor(name, isThere, patience).catch(async (error: unknown) => {
    if (error instanceof CommandFailure && error.kind === "refused") throw await forgotten(vms, name, error)
    throw error
  })
  console.log(
    flags.json === true
      ? JSON.stringify({ vm: name, state: view?.state, node: view?.node ?? null })
      : `${name} is ${view?.state ?? "there"}${view === null || view.node === null ? "" : ` on ${whereOf(view)}`}; ${flags.start ? `\`backplane console ${name}\` talks with it` : `\`backplane vm start ${name}\` boots it`}`,
  )
}

/** Until it runs there, or the move is given up: then it runs on where it was, and the command fails with the reason. */
async function move({ vms }: Ends, name: string, flags: MoveFlags): Promise<void> {
  const { to } = flags
  const { spec } = await vms.move(name, to)
  const patience = PATIENCE_MILLISECONDS + ((spec.memoryBytes + imageBytes(spec)) / MIB) * PATIENCE_MILLISECONDS_PER_MIB
  const view = await vms.waitFor(name, (seen) => seen === null || seen.move?.verdict !== "under-way", patience)
  const moved = view?.move
  if (view === null || moved === undefined) throw new CommandFailure("gone", `${name} is gone: it was destroyed meanwhile`)
  if (moved.verdict !== "moved")
    throw new CommandFailure(
      "given-up",
      `${name} did not move: ${moved.reason}; it is ${view.state}${view.node === null ? "" : ` on ${whereOf(view)}`}`,
    )
  if (flags.json === true) return console.log(JSON.stringify({ vm: name, ...moved }))
  const { from, pages, bytes, downtimeCycles } = moved
  const stood = downtimeCycles === null ? "" : `, it stood still for ${downtimeCycles} cycles`
  console.log(`${name} moved from node ${from} to node ${to}: ${pages} pages, ${(bytes / MIB).toFixed(1)} MiB${stood}`)
}

/** What never ran leaves no name behind: the next try may have it. */
async function forgotten(vms: VmClient, name: string, refusal: CommandFailure): Promise<CommandFailure> {
  await vms.control(name, "destroy")
  await vms.waitFor(name, (seen) => seen === null)
  return new CommandFailure("refused", `${refusal.message}; it is not kept`)
}

export async function bringImages(
  client: StackClient,
  files: { readonly kernel: string; readonly disk?: string; readonly initrd?: string },
  home: string,
): Promise<VmImages> {
  const { kernel, disk, initrd } = files
  return {
    kernel: await bringImage(client, { path: kernel, flag: "--kernel" }, home),
    ...(disk !== undefined && { disk: await bringDisk(client, disk, home) }),
    ...(initrd !== undefined && { initrd: await bringImage(client, { path: initrd, flag: "--initrd" }, home) }),
  }
}

/** Where it lies: one node, or several. */
function whereOf({ spec, node }: Pick<VmView, "spec" | "node">): string {
  return spec.span === undefined ? `node ${node}` : `nodes ${spec.span.join(" and ")}`
}

function printList(views: readonly VmView[], flags: Common): void {
  if (flags.json === true) return console.log(JSON.stringify({ vms: views }))
  if (views.length === 0) console.log(`${flags.machine} has no VMs; \`backplane vm create\` makes one`)
  const placeOf = ({ spec, node }: VmView): string => (node === null ? "" : whereOf({ spec, node }))
  const width = Math.max(...views.map((view) => placeOf(view).length), 8)
  for (const view of views) {
    const { spec, state, life, reason } = view
    const size = `${spec.cpus} vCPU${spec.cpus > 1 ? "s" : ""}, ${spec.memoryBytes >> 20} MiB`
    console.log(
      `${spec.name.padEnd(16)} ${state.padEnd(9)} ${placeOf(view).padEnd(width)} ${size.padEnd(18)} ${spec.mode.padEnd(7)} boots ${life}${reason === "" ? "" : `  ${reason}`}`,
    )
  }
}

async function inspect({ client, vms }: Ends, name: string, flags: InspectFlags): Promise<void> {
  const view = await vms.find(name)
  if (view === null) throw new CommandFailure("unknown-vm", `${flags.machine} has no VM ${name}; \`backplane vm list\` shows them`)
  const onNode = await inspectOnNode(client, flags.machine, view)
  if (flags.json === true) return console.log(JSON.stringify({ ...view, onNode }))
  printList([view], flags)
  if (onNode === null) return
  console.log(
    `  instructions ${String(onNode["instructions"])}, time ${String(Number(onNode["timeTicks"]) / 1e7)} s, pages ${String(onNode["pages"])} (${String(onNode["pagesShared"] ?? 0)} lie together with equal ones, ${String(onNode["pagesUnshared"] ?? 0)} were written since; ${String(onNode["pagesSwapped"] ?? 0)} in the swap file, ${String(onNode["pagesBroughtIn"] ?? 0)} came in)`,
  )
  for (const [cause, times] of Object.entries((onNode["exits"] ?? {}) as Readonly<Record<string, number>>))
    console.log(`${String(times).padStart(12)} ${cause}`)
  if (flags.traps === true) for (const line of trapLines(onNode["traps"])) console.log(line)
}
