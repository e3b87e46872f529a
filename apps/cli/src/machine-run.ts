/** Runs one machine to its end, in the simulator or live on a stack, with the same result. */
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { PictureSpan } from "@backplane/scenario-picture/perfetto-input"
import type { RunFailure, RunResult } from "@backplane/trap-hypervisor/run-result"
import { runProgram } from "./checkout.ts"
import { CommandFailure } from "./failure.ts"
import { bringImage } from "./image-upload.ts"
import { withStack } from "./live-stack.ts"
import { spansOf } from "./live-spans.ts"
import type { StackClient } from "./stack-client.ts"

/** The longer a run has taken, the longer until it is asked again: a tenth of that, within these. Many machines are waited for at once. */
const POLL_MILLISECONDS = { least: 50, most: 500, share: 0.1 } as const
/** A live run of which nothing is heard for so long has failed. */
const SILENCE_MILLISECONDS = 60_000

export interface RunOutput {
  readonly result?: RunResult
  readonly failure?: RunFailure
  /** Of a live run, where they were asked for: what the stack's collector has of it. */
  readonly spans?: readonly PictureSpan[]
}

/** `images`: files that VMs of the machine boot. */
export async function runInSimulator(spec: MachineSpec, perfettoFile?: string, images: readonly string[] = []): Promise<RunOutput> {
  const args = ["run", ...(perfettoFile === undefined ? [] : ["--perfetto", perfettoFile]), ...images.flatMap((path) => ["--image", path])]
  const { code, stdout } = await runProgram("apps/simulator/src/main.ts", args, JSON.stringify(spec))
  if (code !== 0) throw new CommandFailure("simulation", "the simulation failed; see above")
  return JSON.parse(stdout) as RunOutput
}

/** Makes the machine on a stack, waits for its end and takes it down again. */
export function runLive(
  spec: MachineSpec,
  home: string,
  { images = [], withSpans = false }: { readonly images?: readonly string[]; readonly withSpans?: boolean } = {},
): Promise<RunOutput> {
  return withStack(home, async (client) => {
    for (const path of images) await bringImage(client, { path, flag: "image" }, home)
    return await withMachine(client, spec, async (machine) => {
      const output = await waitForEnd(client, machine)
      return withSpans ? { ...output, spans: await spansOf(client.state.http, machine) } : output
    })
  })
}

/** Makes the machine on this stack, waits for its end and takes it down again. Images that its VMs boot are there. */
export async function runOn(client: StackClient, spec: MachineSpec): Promise<RunOutput> {
  return withMachine(client, spec, (machine) => waitForEnd(client, machine))
}

/** Makes the machine on this stack, and takes it down again after use. */
export async function withMachine<T>(client: StackClient, spec: MachineSpec, use: (machine: string) => Promise<T>): Promise<T> {
  // Names are unique: what an earlier machine of the same name kept on disk must not come back.
  const machine = `${spec.name.slice(0, 16)}-${process.pid}-${Date.now().toString(36)}`
  await client.office({ op: "create", spec: { ...spec, name: machine } })
  try {
    return await use(machine)
  } finally {
    await client.office({ op: "destroy", machine })
  }
}

interface HypervisorState {
  readonly state: "running" | "done" | "failed"
  readonly result: RunResult | null
  readonly failure: RunFailure | null
  readonly nodes: readonly { readonly tick: number }[]
}

export async function waitForEnd(client: StackClient, machine: string): Promise<RunOutput> {
  let progress = ""
  const begun = Date.now()
  let movedAt = begun
  for (;;) {
    const state = await client.inspect(machine, "hypervisor.0").catch((error: unknown) => {
      // A hypervisor that is just being hosted does not answer yet; one whose process died has taken a machine in lock-step with it.
      if (String(error).includes(`there is no machine ${machine}`))
        throw new CommandFailure("machine-gone", `the machine ${machine} is gone: the hypervisor's process ended during the run`)
      return null
    })
    if (state !== null) {
      const { result, failure, nodes } = state as unknown as HypervisorState
      if (failure !== null) return { failure }
      if (result !== null) return { result }
      const now = JSON.stringify(nodes)
      if (now !== progress) movedAt = Date.now()
      progress = now
    }
    if (Date.now() - movedAt > SILENCE_MILLISECONDS)
      throw new CommandFailure(
        "stalled",
        `the machine ${machine} has not moved for ${SILENCE_MILLISECONDS / 1000} s: see the logs (npx nx run stack:logs)`,
      )
    const { least, most, share } = POLL_MILLISECONDS
    await new Promise((resolve) => setTimeout(resolve, Math.min(most, Math.max(least, (Date.now() - begun) * share))))
  }
}

/** Prints the result, or ends the command as the failure says. */
export function unwrap(output: RunOutput): RunResult {
  if (output.result !== undefined) return output.result
  const failure = output.failure
  if (failure === undefined) throw new CommandFailure("failure", "the run gave neither a result nor a reason")
  const details = "job" in failure ? { job: failure.job } : {}
  const cannotEnd = failure.kind === "lost-task" || failure.kind === "max-ticks"
  throw new CommandFailure(failure.kind, failure.message, { exitCode: cannotEnd ? 3 : 1, details })
}
