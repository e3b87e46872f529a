/** What comes in wrong at the edge of the store's API: contexts that are none, bodies that come too slowly, too large or not as text. */
import { Hono } from "hono"
import { describe, expect, it } from "vitest"
import { Problem, problemResponse } from "../problem.ts"
import { contextOf, etagOf } from "./etag.ts"
import { readText } from "./text-body.ts"

const coded = (text: string): string => `"${Buffer.from(text).toString("base64url")}"`

describe("a context in If-Match", () => {
  it("comes back as it was told", () => {
    const context = { "replica.0@a.1": 5, "replica.1@b.1": 1_700_000_000_000_000 }
    expect(contextOf(etagOf(context))).toEqual(context)
    expect(contextOf(undefined)).toBeNull()
  })

  // A busy computer: another replica answered the next read, and If-None-Match found nothing unchanged.
  it("is the same for the same, in whatever order the writers are told", () => {
    expect(etagOf({ "replica.1@b.1": 7, "replica.0@a.1": 5 })).toBe(etagOf({ "replica.0@a.1": 5, "replica.1@b.1": 7 }))
  })

  it.each([
    ["no quotes", "abc"],
    // It was taken for "no condition", and wrote what was not there.
    ["a star", "*"],
    ["no base64url", '"a+b/="'],
    ["no JSON", coded("{")],
    ["a list", coded("[1]")],
    ["null", coded("null")],
    ["a number", coded("7")],
    ["a count of none", coded('{"a":0}')],
    ["a negative count", coded('{"a":-1}')],
    ["a broken count", coded('{"a":1.5}')],
    ["a count past 2^53", coded('{"a":9007199254740993}')],
    ["a count as text", coded('{"a":"1"}')],
    ["a nested vector", coded('{"a":{"b":1}}')],
    ["a name too long", coded(`{"${"w".repeat(97)}":1}`)],
    ["too much of it", `"${"A".repeat(16_385)}"`],
  ])("that is %s is refused with the field and the remedy", (_what, header) => {
    let thrown: unknown
    try {
      contextOf(header)
    } catch (problem) {
      thrown = problem
    }
    expect(thrown).toBeInstanceOf(Problem)
    expect((thrown as Problem).document).toMatchObject({ status: 400, field: "If-Match" })
  })
})

describe("a body", () => {
  const app = new Hono()
  app.put("/", async (context) => context.text(await readText(context, 10, 50)))
  app.onError((error) => {
    if (error instanceof Problem) return problemResponse(error)
    throw error
  })
  const put = async (body: BodyInit): Promise<Response> => app.request("/", { method: "PUT", body, duplex: "half" } as RequestInit)
  const stream = (start: (controller: ReadableStreamDefaultController<Uint8Array>) => void): ReadableStream<Uint8Array> =>
    new ReadableStream({ start })

  it("that comes in pieces is read whole", async () => {
    const pieces = stream((controller) => {
      controller.enqueue(Buffer.from("ab"))
      controller.enqueue(Buffer.from("cd"))
      controller.close()
    })
    expect(await (await put(pieces)).text()).toBe("abcd")
  })

  it("that does not end is refused in time, and its connection closed", async () => {
    const response = await put(stream((controller) => controller.enqueue(Buffer.from("a"))))
    expect(response.status).toBe(408)
    expect(response.headers.get("connection")).toBe("close")
    expect(await response.json()).toMatchObject({ field: "body", remedy: "send it at once" })
  })

  it("that has more than it may is refused, be its length told or not", async () => {
    expect((await put("x".repeat(11))).status).toBe(413)
    const untold = stream((controller) => {
      for (let count = 0; count < 11; count++) controller.enqueue(Buffer.from("x"))
      controller.close()
    })
    expect((await put(untold)).status).toBe(413)
  })

  it("that is no UTF-8 is refused", async () => {
    const response = await put(new Uint8Array([0xff, 0xfe]))
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ field: "body" })
  })
})
