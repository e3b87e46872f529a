/** One guest over two nodes, over a real nats-server and in two processes: our SMP kernel, hart 0 here, hart 1 there. */
import { fork, type ChildProcess } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { actorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { startNatsServer, type RunningServer } from "@backplane/nats/start-server"
import { nodeActor } from "@backplane/scenario-machine/topology"
import { Conversation, type ConversationStep } from "@backplane/trap-board/conversation"
import { connect } from "@nats-io/transport-node"
import { afterAll, beforeAll, expect, it } from "vitest"
import { LIVE_GUEST, liveBus, liveController, liveHost, liveNode } from "./live-guest.ts"

const KERNEL = fileURLToPath(new URL("../../../../tools/guests/images/kernel.bin", import.meta.url))
const HARTS = 2
const MEGABYTES = 16
/** A second or two on a quiet computer; the harts spin where others have the CPU. */
const SECONDS_MAX = 180
const USER = "test"

let server: RunningServer
let far: ChildProcess
beforeAll(async () => {
  server = await startNatsServer({ unrestrictedUsers: [USER] })
  const main = fileURLToPath(new URL("testing/live-guest-node.ts", import.meta.url))
  far = fork(main, [server.url, USER, server.credentials.get(USER) ?? "", KERNEL, String(HARTS), String(MEGABYTES)])
  await new Promise((resolve, reject) => {
    far.once("message", resolve)
    far.once("exit", (code) => {
      reject(new Error(`node 1 ended with ${code}`))
    })
  })
})
afterAll(async () => {
  far.kill()
  await server.stop()
})

const session = (...lines: readonly string[]): ConversationStep[] =>
  lines.flatMap((text): ConversationStep[] => [
    { kind: "expect", text: "$ " },
    { kind: "type", text },
  ])

it("boots, counts right on both nodes and ends", { timeout: SECONDS_MAX * 1000 }, async () => {
  const connection = await connect({ servers: server.url, user: USER, pass: server.credentials.get(USER) ?? "" })
  const guest = { kernel: readFileSync(KERNEL), harts: HARTS, nodes: 2, memoryBytes: MEGABYTES * 2 ** 20 }
  const host = liveHost(connection)
  const operator = liveBus(connection)
  const { machine, ...where } = liveNode(guest, 0)
  await host.add(liveController(guest, 1))
  await host.add({ ...where, machine: machine as unknown as Machine })
  let output = ""
  const conversation = new Conversation(session("shared 2 20", "locks 2 20", "halt"), (text) => {
    machine.inside.console.feed(new TextEncoder().encode(text))
    operator.publish({ machine: LIVE_GUEST, from: actorId("operator.0"), to: nodeActor(0), body: { kind: "ConsoleTyped" } })
  })
  const deadline = performance.now() + SECONDS_MAX * 1000
  while (machine.inside.end === null && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10))
    const text = new TextDecoder().decode(machine.inside.console.takeOutput())
    output += text
    conversation.hear(text)
  }
  host.stop("the guest has ended")
  await connection.close()
  expect(output).toContain("sum=40")
  expect(output).toContain("counter=40")
  expect(machine.inside.end).toEqual({ kind: "end", reason: "shutdown", code: 0 })
  expect(machine.inside.counts().taken).toBeGreaterThan(0)
})
