/** What the parser of HTTP refuses, over a real socket. */
import { createServer, type Server } from "node:http"
import { connect, type AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { answerUnreadable } from "./unreadable.ts"

let server: Server

beforeAll(async () => {
  server = createServer((incoming, outgoing) => {
    if (incoming.url === "/begins") outgoing.write("half of ")
    else outgoing.end("whole")
  })
  answerUnreadable(server)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

/** All that comes back until the server closes. `then`: sent when the first of it came. */
function said(text: string, then = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1", () => void socket.write(text))
    let heard = ""
    socket.on("data", (bytes) => {
      if (heard === "" && then !== "") socket.write(then)
      heard += String(bytes)
    })
    socket.on("error", reject)
    socket.on("close", () => resolve(heard))
  })
}

const HEAD = "HTTP/1.1\r\nHost: localhost\r\n"

describe("what is no request", () => {
  it.each([
    ["a path that is too long", `GET /${"k".repeat(20_000)} ${HEAD}\r\n`, 431],
    ["a header that is too long", `GET / ${HEAD}X: ${"k".repeat(20_000)}\r\n\r\n`, 431],
    ["noise", "noise\r\n\r\n", 400],
    ["a length below none", `PUT / ${HEAD}Content-Length: -1\r\n\r\n`, 400],
  ])("%s gets one problem that names the field and the remedy, and the connection ends", async (_what, text, status) => {
    const [head = "", body = ""] = (await said(text)).split("\r\n\r\n")
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain("application/problem+json")
    expect(JSON.parse(body)).toMatchObject({ status, field: "head", remedy: expect.stringContaining("send") })
  })

  it("in the middle of an answer ends it, and puts nothing into it", async () => {
    const heard = await said(`GET /begins ${HEAD}\r\n`, "noise\r\n\r\n")
    expect(heard).toContain("half of ")
    expect(heard).not.toContain("problem")
  })

  it("after an answer that ended is answered", async () => {
    const heard = await said(`GET / ${HEAD}\r\n`, "noise\r\n\r\n")
    expect(heard).toContain("whole")
    expect(heard).toContain("400 Bad Request")
  })
})
