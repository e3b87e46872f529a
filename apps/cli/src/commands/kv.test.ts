/** `backplane kv` against a gateway that notes what it was asked: what a delete covers, how values are shown. */
import { createServer, type IncomingMessage, type Server } from "node:http"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AddressInfo } from "node:net"
import { Command } from "commander"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { register } from "./kv.ts"

interface Reply {
  readonly status: number
  readonly json?: object
  readonly text?: string
}

let folder = ""
let server: Server
let asked: { readonly method: string; readonly path: string; readonly ifMatch: string | undefined }[] = []
let replies: Reply[] = []
let said: string[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kv-"))
  asked = []
  said = []
  server = createServer((request: IncomingMessage, response) => {
    asked.push({ method: request.method ?? "", path: request.url ?? "", ifMatch: request.headers["if-match"] })
    const { status, json, text = JSON.stringify(json) } = replies.shift() ?? { status: 500 }
    response.writeHead(status, { etag: '"seen"', "content-type": json === undefined ? "text/plain" : "application/json" }).end(text)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(join(folder, "stack.json"), JSON.stringify({ home: folder, pid: process.pid, http: { url, token: null } }))
  for (const method of ["log", "error"] as const) vi.spyOn(console, method).mockImplementation((text: string) => void said.push(text))
})
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
  server.close()
  rmSync(folder, { recursive: true })
})

async function kv(...args: readonly string[]): Promise<number> {
  const program = new Command("backplane").option("--home <folder>")
  register(program)
  await program.parseAsync(["node", "backplane", "--home", folder, "kv", ...args])
  return Number(process.exitCode ?? 0)
}

describe("kv delete", () => {
  it("covers what the key holds: it is read first, and its context sent along", async () => {
    replies = [
      { status: 300, json: { values: ["a", "b"] } },
      { status: 200, json: { values: [] } },
    ]
    expect(await kv("delete", "default", "k")).toBe(0)
    expect(asked).toEqual([
      { method: "GET", path: "/v1/kv/default/k", ifMatch: undefined },
      { method: "DELETE", path: "/v1/kv/default/k", ifMatch: '"seen"' },
    ])
    expect(said).toEqual(["ok"])
  })

  it("with a context reads nothing, and says so where values are left", async () => {
    replies = [{ status: 200, json: { values: ["later"] } }]
    expect(await kv("delete", "default", "k", "--context", '"old"')).toBe(1)
    expect(asked).toEqual([{ method: "DELETE", path: "/v1/kv/default/k", ifMatch: '"old"' }])
    expect(said).toEqual([expect.stringContaining("not gone: 1 values")])
  })
})

describe("kv get", () => {
  it.each([
    ["a value as it is", { status: 200, text: '{"result":1}' }, ['{"result":1}']],
    ["the value of a data type", { status: 200, json: { values: [], result: { n: 1 } } }, ['{"n":1}']],
    ["concurrent values one a line", { status: 300, json: { values: ["a", "b"] } }, ["a", "b", expect.stringContaining("2 concurrent")]],
  ])("prints %s", async (_, reply, lines) => {
    replies = [reply]
    expect(await kv("get", "default", "k")).toBe(0)
    expect(said).toEqual(lines)
  })

  it("of a key that is not there fails with --json as without", async () => {
    replies = [{ status: 404, json: { values: [] } }]
    expect(await kv("get", "default", "k", "--json")).toBe(1)
    expect(said).toEqual([expect.stringContaining('"values":[]')])
  })

  it("refuses an empty key before anybody is asked", async () => {
    await expect(kv("get", "default", "")).rejects.toThrow("key: the key is empty")
    expect(asked).toEqual([])
  })
})

describe("flags of kv", () => {
  it("that say how many replicas must have an operation go along with it", async () => {
    replies = [{ status: 200, json: { values: [], result: 1 } }]
    expect(await kv("update", "counts", "k", '{"op":"increment"}', "--w", "3")).toBe(0)
    expect(asked.map(({ path }) => path)).toEqual(["/v1/kv/counts/k?w=3"])
  })

  it("that the gateway refuses are told by their own names, as asked wrongly", async () => {
    replies = [{ status: 400, json: { detail: "If-Match is no context of this store", field: "If-Match", remedy: "send the ETag" } }]
    await expect(kv("put", "default", "k", "v", "--context", "zzz")).rejects.toMatchObject({
      exitCode: 2,
      message: "--context: If-Match is no context of this store: send the ETag",
    })
  })

  it.each([
    ["watch", "default", "--count", "zzz"],
    ["get", "default", "k", "--r", "zzz"],
    ["scan", "default", "--limit", "0"],
    ["mapreduce", "default", "--map", "count", "--reduce", "sum", "--milliseconds", "zzz"],
  ])("that want a number take none for it: %s %s", async (...args) => {
    const left = vi.spyOn(process, "exit").mockImplementation(() => {
      throw new Error("refused")
    })
    vi.spyOn(process.stderr, "write").mockReturnValue(true)
    await expect(kv(...args)).rejects.toThrow("refused")
    expect(left).toHaveBeenCalled()
    expect(asked).toEqual([])
  })
})
