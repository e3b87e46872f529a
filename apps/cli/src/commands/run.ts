/** `backplane run <scenario>`: a machine described in a file, to its end. */
import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { guestFileReader } from "@backplane/trap-guest/guest-files"
import type { Command } from "commander"
import { parse } from "yaml"
import { CommandFailure } from "../failure.ts"
import { runInSimulator, runLive, unwrap } from "../machine-run.ts"
import { fileToWrite } from "../output-file.ts"
import { printRun, type ReportFlags } from "../run-report.ts"
import type { ImageRef } from "@backplane/scenario-machine/vm-spec"
import { imageRef } from "../image-upload.ts"
import { homeOf } from "../running-stack.ts"

interface Flags extends ReportFlags {
  readonly sim?: true
  readonly live?: true
  readonly seed?: string
}

export function register(program: Command): void {
  program
    .command("run")
    .description("run the machine of a scenario file (YAML or JSON) to its end")
    .argument("<scenario>", "file; see apps/hypervisor/scenarios and the README for what it may hold")
    .option("--sim", "in the simulator (default)")
    .option("--live", "over NATS: on the running stack, else on one of its own")
    .option("--seed <n>", "instead of the scenario's")
    .option("--svg <file>", "also write a picture of the schedule", fileToWrite)
    .option("--perfetto <file>", "also write schedule and spans for ui.perfetto.dev (.json or .pftrace)", fileToWrite)
    .option("--json", "print JSON")
    .action((file: string, flags: Flags, command: Command) => runScenario(file, flags, homeOf(command)))
}

async function runScenario(file: string, flags: Flags, home: string): Promise<void> {
  if (flags.sim === true && flags.live === true) throw new CommandFailure("bad-input", "--sim and --live exclude each other: give one")
  const files: string[] = []
  const spec = readScenario(file, flags.seed, files)
  if (spec.arrivals?.total === 0)
    throw new Rejection(
      "arrivals.total",
      `${file} describes a machine without end; give it a total, or start it with \`npm start -- --scenario ${file}\``,
    )
  const output =
    flags.live === true
      ? await runLive(spec, home, { images: files, withSpans: flags.perfetto !== undefined })
      : await runInSimulator(spec, flags.perfetto, files)
  const { perfetto, ...rest } = flags
  // The simulator has written the file, it has the spans; those of a live run come from the stack's collector.
  await printRun(
    { spec, result: unwrap(output), bus: flags.live === true ? "nats" : "sim", ...(output.spans !== undefined && { spans: output.spans }) },
    flags.live === true && perfetto !== undefined ? flags : rest,
  )
}

/** `files` gets the paths of the kernels and disks that VMs name. */
export function readScenario(file: string, seed: string | undefined, files: string[]): MachineSpec {
  let content: unknown
  try {
    content = parse(readFileSync(file, "utf8"))
  } catch (error) {
    throw new Rejection(
      file,
      `cannot be read as YAML or JSON: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`,
    )
  }
  const readGuest = guestFileReader((guest) => readFileSync(resolve(dirname(file), guest)), { readImage: readGuestImage })
  const readImage = (name: string): ImageRef => {
    const path = resolve(dirname(file), name)
    files.push(path)
    return imageRef(path, { flag: "image" }).ref
  }
  if (seed === undefined) return resolveMachineSpec(content, readGuest, readImage)
  if (!/^\d+$/.test(seed)) throw new Rejection("--seed", `${seed} is not a whole number; give one of at least 0`)
  return resolveMachineSpec(
    typeof content === "object" && content !== null ? { ...content, seed: Number(seed) } : content,
    readGuest,
    readImage,
  )
}
