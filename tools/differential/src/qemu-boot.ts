/**
 * `backplane boot` by QEMU: `node tools/differential/src/qemu-boot.ts --kernel K [--disk D] [--save-disk D2] [--initrd I] [--append S] [--cpus N] [--memory 128M] [--expect TEXT] [--type TEXT] … [--timeout S]`.
 *
 * The same conversation with the same image, and one line of JSON of the same shape, so that guest-matrix.ts has a row to hold ours against. QEMU counts no
 * instructions here, and its time is that of its process. The disk file is never written: QEMU works on a copy, which is what `--save-disk` keeps.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"

const QEMU = "qemu-system-riscv64"
/** Of the kernel's clock in which Linux tells CPU time to programs (USER_HZ). */
const TICKS_PER_SECOND = 100
/** utime and stime in /proc/<pid>/stat, counted behind the name in parentheses: fields 14 and 15 of proc(5). */
const USER_TICKS = 11
const SYSTEM_TICKS = 12

interface QemuPlan {
  readonly kernel: string
  readonly disk?: string
  readonly saveDisk?: string
  readonly initrd?: string
  readonly append?: string
  readonly cpus: string
  readonly memory: string
  /** Seconds of wall clock. */
  readonly timeout: number
  readonly steps: readonly ConversationStep[]
}

interface QemuOutcome {
  readonly ok: boolean
  readonly reason: string
  readonly cpuSeconds: number
  readonly instructions: 0
  readonly transcript: string
}

const WITH_VALUE = ["kernel", "disk", "save-disk", "initrd", "append", "cpus", "memory", "timeout", "expect", "type"]
const WITHOUT_USE = ["polling", "mode", "mmu", "max-instructions"]
const FLAGS: Readonly<Record<string, { readonly type: "string" | "boolean" }>> = {
  ...Object.fromEntries([...WITH_VALUE, ...WITHOUT_USE].map((name) => [name, { type: "string" }])),
  json: { type: "boolean" },
}

/** Flags that boot has and QEMU has no use for are passed over: the matrix hands on what it was given. */
export function qemuPlanOf(args: readonly string[]): QemuPlan {
  const { values, tokens } = parseArgs({ args: [...args], options: FLAGS, tokens: true })
  const text = (name: string): string | undefined => (typeof values[name] === "string" ? values[name] : undefined)
  const kernel = text("kernel")
  if (kernel === undefined) throw new Error("--kernel is missing: give an ELF64 executable or a Linux Image")
  const steps = tokens.flatMap((token): ConversationStep[] => {
    if (token.kind !== "option" || (token.name !== "expect" && token.name !== "type") || token.value === undefined) return []
    return [{ kind: token.name, text: token.value }]
  })
  const timeout = Number(text("timeout") ?? "600")
  if (!(timeout > 0)) throw new Error(`--timeout: ${text("timeout")} are no seconds; give such as 600`)
  const optional = { disk: text("disk"), saveDisk: text("save-disk"), initrd: text("initrd"), append: text("append") }
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { kernel, ...given, cpus: text("cpus") ?? "1", memory: text("memory") ?? "128M", timeout, steps }
}

/** As xv6's own Makefile starts it, which is what `backplane boot` has for a machine. An ELF kernel starts in M-mode, a Linux Image over QEMU's firmware. */
export function qemuArguments(
  { kernel, initrd, append, cpus, memory }: QemuPlan,
  { disk, bare }: { readonly disk: string | null; readonly bare: boolean },
): readonly string[] {
  const drive = `file=${disk ?? ""},if=none,format=raw,id=x0`
  return [
    ...["-machine", "virt", "-bios", bare ? "none" : "default", "-kernel", kernel, "-m", memory, "-smp", cpus],
    ...["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"],
    ...(initrd === undefined ? [] : ["-initrd", initrd]),
    ...(append === undefined ? [] : ["-append", append]),
    ...(disk === null ? [] : ["-global", "virtio-mmio.force-legacy=false", "-drive", drive]),
    ...(disk === null ? [] : ["-device", "virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0"]),
  ]
}

export async function bootByQemu(plan: QemuPlan): Promise<QemuOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "backplane-qemu-"))
  try {
    const disk = plan.disk === undefined ? null : join(folder, "disk.img")
    if (disk !== null && plan.disk !== undefined) copyFileSync(plan.disk, disk)
    const outcome = await converse(spawn(QEMU, qemuArguments(plan, { disk, bare: isElf(plan.kernel) })), plan)
    if (disk !== null && plan.saveDisk !== undefined) copyFileSync(disk, plan.saveDisk)
    return outcome
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function isElf(path: string): boolean {
  return readFileSync(path).subarray(0, 4).toString("latin1") === "\x7fELF"
}

function converse(qemu: ChildProcessWithoutNullStreams, { steps, timeout }: QemuPlan): Promise<QemuOutcome> {
  const heard: string[] = []
  const complaints: string[] = []
  let ended: Pick<QemuOutcome, "ok" | "reason" | "cpuSeconds"> | null = null
  const end = (ok: boolean, reason: string): void => {
    if (ended !== null) return
    ended = { ok, reason, cpuSeconds: cpuSecondsOf(qemu.pid) }
    qemu.kill("SIGTERM") // and not KILL: it writes what it holds of the disk
  }
  const conversation = new Conversation(steps, (text) => qemu.stdin.write(text))
  const limit = setTimeout(() => end(false, "timeout"), timeout * 1000)
  qemu.stdout.setEncoding("utf8").on("data", (text: string) => {
    heard.push(text)
    conversation.hear(text)
    if (conversation.done()) end(true, "steps-done")
  })
  qemu.stderr.setEncoding("utf8").on("data", (text: string) => complaints.push(text))
  qemu.stdin.on("error", () => undefined) // it is gone: `close` says so
  return new Promise((resolve, reject) => {
    qemu.on("error", (error) => {
      clearTimeout(limit)
      reject(error)
    })
    qemu.on("close", () => {
      clearTimeout(limit)
      const said = complaints.join("").trim().split("\n").at(-1)
      const outcome = ended ?? { ok: false, reason: said === undefined || said === "" ? "qemu ended" : said, cpuSeconds: 0 }
      resolve({ ...outcome, instructions: 0, transcript: heard.join("") })
    })
  })
}

/** Linux only: 0 elsewhere. */
function cpuSecondsOf(pid: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS])) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const outcome = await bootByQemu(qemuPlanOf(args))
    console.log(JSON.stringify(outcome))
    return outcome.ok ? 0 : 1
  } catch (error) {
    console.log(JSON.stringify({ error: { message: error instanceof Error ? error.message : String(error) } }))
    return 2
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
