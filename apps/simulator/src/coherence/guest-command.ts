/** `shared-guest`: boots a guest with its harts on several nodes, in simulation, and holds a conversation with it. */
import { readFileSync } from "node:fs"
import type { ConversationStep } from "@backplane/trap-board/conversation"
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
  readonly killEveryCycles?: number
  readonly steps: readonly ConversationStep[]
  readonly json: boolean
}

export function guestCommand([request = "{}"]: readonly string[]): number {
  const { kernel, disk, cpus, json, ...rest } = JSON.parse(request) as GuestRequest
  const result = runSharedGuest({
    ...rest,
    harts: cpus,
    kernel: readFileSync(kernel),
    ...(disk !== undefined && { disk: readFileSync(disk) }),
    ...(rest.steps.length === 0 && { until: "end" as const }),
    onOutput: (text) => {
      if (!json) process.stdout.write(text)
    },
  })
  if (json) console.log(JSON.stringify(result))
  else {
    const what =
      result.end === null
        ? result.done
          ? "steps done"
          : `the guest was expected to write ${JSON.stringify(result.waitsFor)}`
        : `${result.end.reason}, code ${result.end.code}`
    const moved = result.counts.map(
      ({ getS, getM, taken }, node) =>
        `node ${node}: ${result.instructions[node]} instructions, ${getS + getM} pages asked for, ${taken} taken`,
    )
    console.error(
      `\n${what}; ${result.cycles} cycles, ${result.messages} messages, memory controller killed ${result.restarts} times\n${moved.join("\n")}`,
    )
  }
  if (result.end !== null) return result.end.code === 0 ? 0 : 1
  return result.done && rest.steps.length > 0 ? 0 : 1
}
