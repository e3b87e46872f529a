/** The stack with real processes and a real nats-server: order, restart, crash loop, and an end that leaves nothing behind. */
import { createServer } from "node:net"
import { freePort } from "@backplane/foundation-process/free-ports"
import { afterEach, describe, expect, it } from "vitest"
import { findNatsServer } from "../nats-server-lookup.mjs"
import { isAlive } from "./stack-state.ts"
import { finished, StackUnderTest, until } from "./fake/stack-under-test.ts"

const { NATS_URL: _, ...environment } = process.env
const kind = findNatsServer(environment).kind

// Ends a hang; measures nothing: a busy computer takes ten times as long.
describe.skipIf(kind !== "program")("a stack of real processes (needs the nats-server program)", { timeout: 90_000 }, () => {
  let stack = new StackUnderTest()
  afterEach(async () => await stack.dispose())

  it("is ready level by level, shows it, and refuses a second one", async () => {
    stack = new StackUnderTest()
    const { code, output } = await stack.up()
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining("ready: 4 processes") })
    expect(stack.journal().at(-1)).toBe("front-0 started")
    expect(await stack.run("status")).toMatchObject({ code: 0, output: expect.stringContaining("front-0") })
    expect(await stack.up()).toMatchObject({ code: 1, output: expect.stringContaining("running already") })
  })

  it("starts again what was killed, the bus too", async () => {
    stack = new StackUnderTest()
    await stack.up()
    for (const name of ["back-1", "nats-server"]) {
      const killed = stack.pidOf(name)
      expect(await stack.run("kill", name)).toMatchObject({ code: 0 })
      await until(() => stack.state()?.processes.every((each) => each.phase === "ready" && each.pid !== killed) === true)
    }
    expect(stack.state()?.processes.map((each) => each.restarts)).toEqual([1, 0, 1, 0])
  })

  it("stops the upper level first and leaves nothing, even of the stubborn", async () => {
    stack = new StackUnderTest({ back: "stubborn" })
    await stack.up()
    expect(await stack.run("down")).toMatchObject({ code: 0, output: expect.stringContaining("stopped") })
    const asked = stack.journal().filter((line) => line.endsWith("asked to stop"))
    expect(asked[0]).toBe("front-0 asked to stop")
    expect(stack.survivors()).toEqual([])
    expect(await stack.run("status")).toMatchObject({ code: 3 })
  })

  it("stops last what takes in the last words of the others", async () => {
    stack = new StackUnderTest({ front: "last" })
    await stack.up()
    await stack.run("down")
    expect(stack.journal().at(-1)).toBe("front-0 asked to stop")
  })

  it("says who did not answer in time, and stops the rest", async () => {
    stack = new StackUnderTest({ front: "mute" }, { BACKPLANE_START_SECONDS: "1" })
    const { code, output } = await stack.up()
    expect(code).toBe(1)
    expect(output).toContain("front-0: no answer to $SRV.PING within 1 s")
    expect(output).toContain("| front-0 says hello")
    await until(() => stack.survivors().length === 0)
  })

  it("calls a crash loop by its name instead of starting for ever", async () => {
    stack = new StackUnderTest({ back: "dies" })
    const { code, output } = await stack.up()
    expect(code).toBe(1)
    expect(output).toMatch(/back-[01] ended 6 times \(exit code 7\): crash loop/)
    expect(output).toContain("starts again in 200 ms")
  })

  it("leaves nothing behind when the supervisor is killed", async () => {
    stack = new StackUnderTest({ back: "stubborn" })
    await stack.up()
    process.kill(stack.state()?.pid ?? 0, "SIGKILL")
    await until(() => stack.survivors().length === 0)
    expect(await stack.run("down")).toMatchObject({ code: 0, output: expect.stringContaining("no stack is running") })
  })

  it("stops when the front is killed without a word", async () => {
    stack = new StackUnderTest()
    const front = await stack.upInFront()
    front.kill("SIGKILL")
    await until(() => stack.survivors().length === 0)
    expect(stack.journal()).toContain("front-0 asked to stop")
  })

  it("stops in order on Ctrl-C and ends well", async () => {
    stack = new StackUnderTest()
    const front = await stack.upInFront()
    const end = finished(front)
    front.kill("SIGINT")
    expect(await end).toMatchObject({ code: 0 })
    expect(stack.survivors()).toEqual([])
  })

  it("runs a program of the user's in a service's place, whatever it tells of itself", async () => {
    stack = new StackUnderTest()
    const command = `node ${JSON.stringify(new URL("fake/fake-service.ts", import.meta.url).pathname)} back anonymous`
    expect(await stack.up(`--replace=back=${command}`)).toMatchObject({ code: 0 })
    expect(await stack.run("logs", "back-1")).toMatchObject({ output: expect.stringContaining("anonymous") })
  })

  it("takes an answer on the HTTP port for readiness where the table says so", async () => {
    stack = new StackUnderTest({ front: "http" })
    expect(await stack.up()).toMatchObject({ code: 0, output: expect.stringContaining("front-0 ready") })
  })

  it("runs the services in one process when they are co-located", async () => {
    stack = new StackUnderTest()
    expect(await stack.up("--colocate")).toMatchObject({ code: 0, output: expect.stringContaining("ready: 2 processes") })
    expect(stack.state()?.processes.map((each) => [each.name, each.services])).toEqual([
      ["nats-server", []],
      ["colocated-0", ["back-0", "back-1", "front-0"]],
    ])
    expect(await stack.run("down")).toMatchObject({ code: 0 })
    expect(stack.survivors()).toEqual([])
  })

  it("switches a process off, keeps it off, and on again, when an operator asks over the bus", async () => {
    stack = new StackUnderTest()
    await stack.up()
    const pid = stack.pidOf("back-1")
    const ask = async (request: object): Promise<unknown> => await stack.askPower(request)
    expect(await ask({ op: "power", process: "back-1", action: "off" })).toMatchObject({ ok: true, processes: expect.anything() })
    expect(isAlive(pid)).toBe(false)
    expect(stack.state()?.processes.find((each) => each.name === "back-1")).toMatchObject({ phase: "off", pid: null, restarts: 0 })
    expect(await ask({ op: "power", process: "back-9", action: "off" })).toMatchObject({ ok: false, field: "/process" })
    expect(await ask({ op: "power", process: "back-1", action: "on" })).toMatchObject({ ok: true })
    await until(() => stack.state()?.processes.every((each) => each.phase === "ready") === true)
  })

  it("cuts a process off and lets it be reached again, and says which cannot be cut off", async () => {
    stack = new StackUnderTest()
    await stack.up()
    const ask = async (process: string, action: string): Promise<unknown> => await stack.askPower({ op: "power", process, action })
    const cutOff = (): readonly string[] => (stack.state()?.processes ?? []).filter((each) => each.cutOff).map((each) => each.name)
    expect(await ask("back-1", "partition")).toMatchObject({ ok: true })
    expect(cutOff()).toEqual(["back-1"])
    expect(await ask("back-1", "heal")).toMatchObject({ ok: true })
    expect(cutOff()).toEqual([])
    // A new life knows of no partition.
    await ask("back-1", "partition")
    await ask("back-1", "kill")
    await until(
      () => stack.state()?.processes.some((each) => each.name === "back-1" && each.restarts === 1 && each.phase === "ready") === true,
    )
    expect(cutOff()).toEqual([])
    expect(await ask("nats-server", "partition")).toMatchObject({ ok: false, field: "/action" })
  })

  it("refuses a port that is taken when it was asked for by number", async () => {
    stack = new StackUnderTest()
    const port = await freePort()
    const squatter = createServer()
    await new Promise<void>((done) => squatter.listen(port, "127.0.0.1", () => done()))
    const result = await stack.run(
      "up",
      ...(await stack.upArguments()).filter((each) => !each.startsWith("--nats-port")),
      `--nats-port=${port}`,
    )
    squatter.close()
    expect(result).toMatchObject({ code: 2, output: expect.stringContaining(`--nats-port ${port}: the port is taken`) })
  })
})
