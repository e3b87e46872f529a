/**
 * A guest over several nodes over NATS, from its start to the end of a conversation with it: node 0 with the devices in this process, each other
 * node and the memory controller in one of their own. The controller may be killed, as a process, again and again. The server is given.
 *
 * Free: a cycle is a nanosecond of the wall clock.
 */
import type { ChildProcess } from "node:child_process"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { AgentCounts } from "@backplane/memory-agent/agent-options"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"
import { connect } from "@nats-io/transport-node"
import type { SharedEnd } from "./board-messages.ts"
import { LIVE_GUEST, liveBus, liveHost, liveNode, readGuest, startPart, type GuestFiles, type LiveServer } from "./live-guest.ts"

export interface LiveRunOptions extends GuestFiles {
  readonly steps: readonly ConversationStep[]
  readonly server: LiveServer
  readonly secondsMax: number
  /** The process of the memory controller is killed, and started again, after each of so many seconds. */
  readonly killEverySeconds?: number
  /** Goes on after the last step until the guest ends. */
  readonly until?: "steps-done" | "end"
  readonly onOutput?: (text: string) => void
}

export interface LiveRunResult {
  readonly done: boolean
  readonly waitsFor: string | null
  readonly end: SharedEnd | null
  readonly output: string
  readonly seconds: number
  /** Of node 0: retired by its harts, and what it asked for. */
  readonly instructions: number
  readonly counts: AgentCounts
  readonly messages: number
  readonly restarts: number
}

const LOOK_MILLISECONDS = 10

/** The controller's process, killed and started anew; each life has the next epoch. */
class Controller {
  readonly #server: LiveServer
  readonly #guest: GuestFiles
  #child: ChildProcess | null = null
  #epoch = 0

  constructor(server: LiveServer, guest: GuestFiles) {
    this.#server = server
    this.#guest = guest
  }

  get restarts(): number {
    return this.#epoch - 1
  }

  async begin(): Promise<void> {
    this.#child?.kill("SIGKILL")
    this.#child = await startPart({ server: this.#server, guest: this.#guest, role: "controller", epoch: ++this.#epoch })
  }

  end(): void {
    this.#child?.kill("SIGKILL")
  }
}

export async function runLiveGuest(options: LiveRunOptions): Promise<LiveRunResult> {
  const { kernel, disk, harts, nodes, memoryBytes, giveWay, server } = options
  const files: GuestFiles = { kernel, ...(disk !== undefined && { disk }), harts, nodes, memoryBytes, ...(giveWay && { giveWay }) }
  const controller = new Controller(server, files)
  const others: ChildProcess[] = []
  try {
    await controller.begin()
    for (let node = 1; node < nodes; node++) others.push(await startPart({ server, guest: files, role: "node", node }))
    return await converse(options, { files, controller })
  } finally {
    for (const child of others) child.kill("SIGKILL")
    controller.end()
  }
}

async function converse(
  { server, steps, secondsMax, killEverySeconds = Infinity, until, onOutput }: LiveRunOptions,
  { files, controller }: { readonly files: GuestFiles; readonly controller: Controller },
): Promise<LiveRunResult> {
  const connection = await connect({ servers: server.url, user: server.user, pass: server.password })
  const host = liveHost(connection)
  const operator = liveBus(connection)
  const { board, ...node } = liveNode(readGuest(files), 0)
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  await host.add(node)
  const decoder = new TextDecoder()
  let output = ""
  const conversation = new Conversation(steps, (text) => {
    board.console.feed(new TextEncoder().encode(text))
    operator.publish({ machine: LIVE_GUEST, from: actorId("operator.0"), to: nodeActor(0), body: { kind: "ConsoleTyped" } })
  })
  let nextKill = killEverySeconds
  while (board.end === null && (!conversation.done() || until === "end") && seconds() < secondsMax) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS))
    const text = decoder.decode(board.console.takeOutput(), { stream: true })
    output += text
    onOutput?.(text)
    conversation.hear(text)
    if (seconds() < nextKill) continue
    await controller.begin()
    nextKill = seconds() + killEverySeconds
  }
  const messages = host.reports().reduce((sum, { inputs, sent }) => sum + inputs + sent, 0)
  host.stop("the conversation is over")
  await connection.close()
  return {
    done: conversation.done(),
    waitsFor: conversation.waitsFor(),
    end: board.end,
    output,
    seconds: seconds(),
    instructions: board.instructions,
    counts: board.counts(),
    messages,
    restarts: controller.restarts,
  }
}
