/** `shared-guest`: boots a guest with its harts on several nodes, in simulation or over NATS, and holds a conversation with it. */
import { readFileSync } from "node:fs"
import type { ConversationStep } from "@backplane/trap-board/conversation"
import type { GiveWay, SharedEnd } from "./board-messages.ts"
import type { LiveServer } from "./live-guest.ts"
import { runLiveGuest } from "./live-guest-run.ts"
import { runSharedGuest } from "./shared-guest.ts"

/** What the command hands over, as JSON in one argument: the order of the steps matters, which flags would lose. */
interface GuestRequest {
  readonly kernel: string
  readonly disk?: string
  readonly cpus: number
  readonly nodes: number
  readonly memoryBytes: number
  readonly seed: number
  readonly cyclesMax: number
  /** In simulation: of the wall clock. */
  readonly secondsMax?: number
  readonly killEveryCycles?: number
  readonly steps: readonly ConversationStep[]
  readonly json: boolean
  readonly live?: boolean
  readonly giveWay?: Partial<GiveWay>
}

/** Address, user and password of the nats-server, as JSON: from whoever starts this with one (tools/stack, with-nats-server). */
const SERVER_VARIABLE = "BACKPLANE_GIVEN_NATS"
/** Live, a cycle is a nanosecond. */
const CYCLES_PER_SECOND = 1_000_000_000

export async function guestCommand([request = "{}"]: readonly string[]): Promise<number> {
  const asked = JSON.parse(request) as GuestRequest
  return asked.live === true ? liveCommand(asked) : simulatedCommand(asked)
}

async function liveCommand({ kernel, disk, cpus, nodes, memoryBytes, steps, json, ...limits }: GuestRequest): Promise<number> {
  const { cyclesMax, killEveryCycles, giveWay } = limits
  const server = process.env[SERVER_VARIABLE]
  if (server === undefined) throw new Error(`${SERVER_VARIABLE} names no nats-server; \`backplane check guest --live\` starts one`)
  const result = await runLiveGuest({
    server: JSON.parse(server) as LiveServer,
    ...{ kernel, nodes, memoryBytes, steps, harts: cpus, secondsMax: cyclesMax / CYCLES_PER_SECOND },
    ...(disk !== undefined && { disk }),
    ...(giveWay && { giveWay }),
    ...(killEveryCycles !== undefined && { killEverySeconds: killEveryCycles / CYCLES_PER_SECOND }),
    ...(steps.length === 0 && { until: "end" as const }),
    onOutput: (text) => {
      if (!json) process.stdout.write(text)
    },
  })
  if (json) console.log(JSON.stringify(result))
  else {
    const { instructions, counts, messages, restarts, seconds } = result
    console.error(
      `\n${outcomeOf(result)}; ${seconds.toFixed(1)} s over NATS, memory controller killed ${restarts} times\n` +
        `node 0: ${instructions} instructions, ${counts.getS + counts.getM} pages asked for, ${counts.taken} taken, ${messages} messages`,
    )
  }
  return exitCode(result, steps.length)
}

interface Outcome {
  readonly done: boolean
  readonly waitsFor: string | null
  readonly end: SharedEnd | null
}

function outcomeOf({ end, done, waitsFor }: Outcome): string {
  if (end !== null) return `${end.reason}, code ${end.code}`
  return done ? "steps done" : `the guest was expected to write ${JSON.stringify(waitsFor)}`
}

function exitCode({ end, done }: Outcome, steps: number): number {
  if (end !== null) return end.code === 0 ? 0 : 1
  return done && steps > 0 ? 0 : 1
}

function simulatedCommand({ kernel, disk, cpus, json, live: _live, secondsMax = Infinity, ...rest }: GuestRequest): number {
  const deadline = performance.now() + secondsMax * 1000
  const result = runSharedGuest({
    ...rest,
    harts: cpus,
    isLate: () => performance.now() >= deadline,
    kernel: readFileSync(kernel),
    ...(disk !== undefined && { disk: readFileSync(disk) }),
    ...(rest.steps.length === 0 && { until: "end" as const }),
    onOutput: (text) => {
      if (!json) process.stdout.write(text)
    },
  })
  if (json) console.log(JSON.stringify(result))
  else {
    const moved = result.counts.map(
      ({ getS, getM, taken }, node) =>
        `node ${node}: ${result.instructions[node]} instructions, ${getS + getM} pages asked for, ${taken} taken`,
    )
    console.error(
      `\n${outcomeOf(result)}; ${result.cycles} cycles, ${result.messages} messages, memory controller killed ${result.restarts} times\n${moved.join("\n")}`,
    )
  }
  return exitCode(result, rest.steps.length)
}
