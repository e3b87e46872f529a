/** The flags of `backplane boot`, most of them also of `backplane ledger`: what can be asked, and what of it is refused because it is not built. */
import { readFile } from "./guest-file.ts"
import { bad, type CommandFailure } from "./failure.ts"
import { count, seconds, sizeOption } from "./number-flags.ts"
import type { ConversationStep } from "@backplane/trap-board/conversation"
import type { Command } from "commander"

export interface BootFlags {
  readonly kernel: string
  readonly disk?: string
  readonly saveDisk?: string
  readonly append?: string
  readonly virtioConsole?: true
  readonly virtioRng?: string
  readonly irqAffinity?: string
  readonly cpus: number
  readonly memory: number
  readonly mode: string
  readonly mmu?: string
  readonly trapPath: string
  readonly polling?: string
  readonly maxInstructions?: number
  readonly timeout?: number
  readonly stdin?: string
  readonly json?: true
  readonly initrd?: string
  readonly nodes?: string
  readonly fidelity?: string
  readonly timing?: string
  readonly placement?: string
  readonly sim?: true
  readonly live?: true
  /** Of a machine: instructions in one tick. */
  readonly speed?: number
}

export type BootStep = ConversationStep

/** What was asked for, checked. */
export interface BootPlan {
  readonly mode: (typeof MODES)[number]
  readonly mmu: (typeof MMUS)[number]
}

const MODES = ["native", "trap", "assist", "para"] as const
const MMUS = ["walk", "shadow", "softtlb", "softtlb,l2", "nested"] as const
/** Without a VMM there is one stage only, and nobody who would remember for the guest. */
const NATIVE_MMUS: readonly BootPlan["mmu"][] = ["walk", "softtlb"]
const VIRTUAL_MMUS: readonly BootPlan["mmu"][] = ["shadow", "softtlb", "softtlb,l2", "nested"]
const DEFAULT_MEMORY = 128 * 2 ** 20

export function addBootFlags(command: Command, steps: BootStep[], kernel: "required" | "optional" = "required"): Command {
  const image = "ELF64 executable (starts in M-mode) or Linux Image (starts in S-mode over SBI)"
  const started = kernel === "required" ? command.requiredOption("--kernel <file>", image) : command.option("--kernel <file>", image)
  return started
    .option(
      "--disk <file>",
      "a disk image behind virtio-blk; writes go to memory, the file stays as it is. kv:<name> is a disk in the store: with --live yours, with --sim an empty one",
    )
    .option("--save-disk <file>", "write the disk as the guest left it")
    .option("--append <text>", "the kernel's command line")
    .option("--virtio-console", "a virtio-console beside the UART; input goes there once the guest drives it (Linux: console=hvc0)")
    .option("--virtio-rng <seed>", "a virtio-rng; the same seed gives the same bytes, `random` gives the host's")
    .option(
      "--irq-affinity <list>",
      "which harts an interrupt goes to, such as 10:0,1:1+2 (source:hart+hart); others go to all that enable it",
    )
    .option("--cpus <n>", "vCPUs", count, 1)
    .addOption(sizeOption("--memory <size>", "RAM of the guest", DEFAULT_MEMORY))
    .option("--mode <mode>", "native, trap, assist, or para (assist with hypercalls)", "trap")
    .option("--mmu <mmu>", "native: walk or softtlb; else shadow, nested, softtlb or softtlb,l2 (with the VMM's second level)")
    .option(
      "--polling <how>",
      "of several CPUs, one that goes round in its kernel and finds nothing to do: `give-way` to its siblings (unless said; a guess that costs time at most), or `run` on",
    )
    .option("--max-instructions <n>", "stop exactly there", count)
    .option("--timeout <seconds>", "stop after this much wall clock", seconds)
    .option("--stdin <file>", "what the guest reads from its console, from the start")
    .option("--expect <text>", "wait until the guest has written this; steps go in order, and the run ends after the last", (text) => {
      steps.push({ kind: "expect", text })
      return text
    })
    .option("--type <text>", "type this and a line end", (text) => {
      steps.push({ kind: "type", text })
      return text
    })
    .option("--initrd <file>", "an initial RAM disk (for Linux: a cpio archive), put into RAM and told in the device tree")
    .option("--json", "print one line of JSON at the end instead of the console as it comes")
}

/** Where a guest runs, and at which fidelity. The ledger is of a VM in this process, and has costs of its own. */
export function addPlaceFlags(command: Command): Command {
  return command
    .option("--trap-path <path>", "resident: exits are handled in this process", "resident")
    .option(
      "--nodes <n>",
      "NUMA nodes that the CPUs and memory are spread over: hart h lies on node h modulo their number; under a VMM as a VM of a machine (mmu nested)",
    )
    .option("--sim", "as a VM of a simulated machine, its actors in one process; slower than without, which has neither scheduler nor bus")
    .option("--live", "as a VM of a machine of its own over NATS: on the running stack, else on one of its own")
    .option("--fidelity <f>", "functional, or timed: caches, TLB and memory cost virtual time", "functional")
    .option("--timing <preset>", "cost table of a timed run: modern, disco1997, or the timing of a scenario file")
    .option("--placement <how>", "where pages lie in a timed run: first-touch, interleave or local")
}

/** Refuses what is not built, by name and with what to use instead. */
export function planOf(flags: Pick<BootFlags, "mode" | "mmu" | "trapPath" | "nodes" | "fidelity" | "polling">): BootPlan {
  // A timed run has nodes in its account of memory; boot-timing.ts looks at them. A guest over several is boot-over-nodes.ts's.
  if (flags.nodes !== undefined && flags.nodes !== "1" && flags.fidelity !== "timed")
    throw refuse("--nodes", "a VMM in this process has one node", "leave it out, or boot with --sim, --live or --fidelity timed")
  if (flags.trapPath !== "resident")
    throw refuse("--trap-path", "exits are handled in this process, there is no bus", "give --sim or --live, too, or resident")
  const mode = MODES.find((name) => name === flags.mode)
  if (mode === undefined) throw refuse("--mode", `there is no ${flags.mode}`, `give ${MODES.join(", ")}`)
  const mmus = mode === "native" ? NATIVE_MMUS : VIRTUAL_MMUS
  const mmu = flags.mmu === undefined ? mmus[0] : mmus.find((name) => name === flags.mmu)
  if (mmu === undefined) throw refuse("--mmu", `${flags.mmu} is not for mode ${mode}`, `give ${mmus.join(", ")}, or leave it out`)
  if (flags.polling !== undefined && !["run", "give-way"].includes(flags.polling))
    throw refuse("--polling", `there is no ${flags.polling}`, "give run or give-way, or leave it out")
  if (flags.polling === "give-way" && flags.fidelity === "timed")
    throw refuse("--polling", "in a timed run the CPUs go by their clocks", "leave it out")
  return { mode, mmu }
}

export function refuse(field: string, reason: string, remedy: string): CommandFailure {
  return bad(field, `${reason}; ${remedy}`)
}

/** What `--stdin` has, typed before all other steps, where a guest is talked with step by step. */
export function typedFirst({ stdin }: BootFlags): readonly BootStep[] {
  return stdin === undefined ? [] : [{ kind: "type", text: Buffer.from(readFile(stdin, "--stdin")).toString("latin1").replace(/\n$/, "") }]
}
