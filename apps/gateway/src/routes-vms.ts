/**
 * Virtual machines over HTTP: which there are, their lives, and their consoles as a stream out and pieces in.
 *
 * A console is counted in bytes from the VM's first boot: a stream that breaks goes on where it was (`from`, or the browser's own
 * Last-Event-ID). What is typed carries the writer's own number, so a piece that is sent again is not typed twice.
 */
import type { Json } from "@backplane/foundation-base/json"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveVm } from "@backplane/scenario-machine/resolve-vms"
import { rejectionOf } from "@backplane/scenario-machine/schema-error"
import { VmInput, type VmSpec } from "@backplane/scenario-machine/vm-spec"
import { CONSOLE_CHUNK_BYTES } from "@backplane/trap-contract/vm-messages"
import { VM_OPERATIONS } from "@backplane/trap-contract/vm-operator-messages"
import { Hono, type Context } from "hono"
import { streamSSE } from "hono/streaming"
import { Value } from "typebox/value"
import { needs, type Access } from "./access.ts"
import { answered, hand } from "./asking.ts"
import { readText } from "./kv/text-body.ts"
import type { Operator, OperatorAnswer } from "./operator.ts"
import { Problem } from "./problem.ts"

const STREAMS_MAX = 64
const NODE_MAX = 63
/** A machine that has nothing to say answers after a while; one that answers at once with nothing is not asked in a rush. */
const PAUSE_MILLISECONDS = 50
const DESCRIPTION_BYTES_MAX = 65_536
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

export function vmRoutes(operator: () => Operator | null, access: Access): Hono {
  const routes = new Hono()
  routes.get("/v1/machines/:machine/vms", needs(access, "read"), async (context) => {
    const { vms } = await answered(hand(operator).askHypervisor(context.req.param("machine"), { kind: "VmListAsk" }))
    return context.json({ vms: vms ?? [] })
  })
  routes.put("/v1/machines/:machine/vms/:vm", needs(access, "operate"), async (context) => {
    const { machine, vm: name } = context.req.param()
    const spec = describedAs(name, await readText(context, DESCRIPTION_BYTES_MAX))
    const start = context.req.query("start") !== "false"
    const { answer, reason, vms } = await answered(
      hand(operator).askHypervisor(machine, { kind: "VmCreateAsk", spec: spec as unknown as Json, start }),
    )
    if (answer === "refused")
      throw new Problem({ status: 409, title: "Refused", detail: String(reason), field: "vm", remedy: "mend the description" })
    return context.json({ vm: (vms as readonly Json[] | undefined)?.[0] ?? null }, 202)
  })
  routes.post("/v1/machines/:machine/vms/:vm/:operation", needs(access, "operate"), async (context) => {
    const { machine, vm, operation } = context.req.param()
    if (operation === "console") return typeAt(context, operator)
    if (operation === "move") return moveTo(context, operator)
    if (!VM_OPERATIONS.some((each) => each === operation))
      throw new Problem({
        status: 404,
        title: "Not found",
        detail: `a VM cannot be told to ${operation}`,
        field: "operation",
        remedy: [...VM_OPERATIONS, "move"].join(", "),
      })
    const { answer, reason, vms } = await answered(hand(operator).askHypervisor(machine, { kind: "VmControlAsk", vm, operation }))
    if (answer === "refused")
      throw new Problem({ status: 409, title: "Refused", detail: String(reason), field: "vm", remedy: `GET /v1/machines/${machine}/vms` })
    return context.json({ vm: (vms as readonly Json[] | undefined)?.[0] ?? null }, 202)
  })
  consoleRoute(routes, operator, access)
  return routes
}

function consoleRoute(routes: Hono, operator: () => Operator | null, access: Access): void {
  let streams = 0
  routes.get("/v1/machines/:machine/vms/:vm/console", needs(access, "read"), async (context) => {
    const { machine, vm } = context.req.param()
    const from = offsetOf(context)
    if (streams >= STREAMS_MAX)
      throw new Problem({
        status: 503,
        title: "Busy",
        detail: `${STREAMS_MAX} consoles are open`,
        remedy: "close one, or ask another gateway",
      })
    const ask = (next: number): Promise<OperatorAnswer> => hand(operator).askHypervisor(machine, { kind: "ConsoleAsk", vm, from: next })
    streams++
    // Before the stream begins: it could not refuse any more.
    const first = await answered(ask(from))
      .then((said) => (said["state"] === "unknown" ? Promise.reject(noSuchVm(machine, vm)) : said))
      .catch((refusal: unknown) => {
        streams--
        throw refusal
      })
    return streamSSE(context, async (stream) => {
      let next = from
      let gone = false
      stream.onAbort(() => {
        gone = true
      })
      try {
        for (let said = first; !gone; said = await ask(next)) {
          const data = String(said["data"] ?? "")
          const start = Number(said["from"] ?? next)
          next = start + Buffer.byteLength(data, "base64")
          await stream.writeSSE({ id: String(next), data: JSON.stringify({ from: start, data, state: said["state"] ?? "unknown" }) })
          if (said["state"] === "unknown") return // it has been destroyed
          if (data === "") await stream.sleep(PAUSE_MILLISECONDS)
        }
      } finally {
        streams--
      }
    })
  })
}

function noSuchVm(machine: string, vm: string): Problem {
  const remedy = `GET /v1/machines/${machine}/vms`
  return new Problem({ status: 409, title: "Refused", detail: `there is no VM ${vm}`, field: "vm", remedy })
}

/** As a scenario says it; images by their hash, which `backplane` brings, disks in the store by their name. */
function describedAs(name: string, text: string): VmSpec {
  const wrong = (field: string, detail: string): Problem =>
    new Problem({ status: 400, title: "Bad request", detail, field, remedy: "a description as in a scenario's vms, without the name" })
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    throw wrong("body", "the body is no JSON")
  }
  const input = { ...(typeof given === "object" ? given : {}), name }
  const [error] = Value.Errors(VmInput, input)
  if (error !== undefined) {
    const { field, reason } = rejectionOf(error)
    throw wrong(field, reason)
  }
  try {
    return resolveVm(input as VmInput, "vm", undefined)
  } catch (refusal) {
    if (refusal instanceof Rejection) throw wrong(refusal.field, refusal.message)
    throw refusal
  }
}

/** Body: {"to": node}. What becomes of the move shows in the VM's `move`. */
async function moveTo(context: Context, operator: () => Operator | null): Promise<Response> {
  const { machine, vm } = context.req.param() as { machine: string; vm: string }
  const body = (await context.req.json().catch(() => null)) as { readonly to?: unknown } | null
  const to = body?.to
  if (typeof to !== "number" || !Number.isInteger(to) || to < 0 || to > NODE_MAX)
    throw new Problem({
      status: 400,
      title: "Bad request",
      detail: "to is no node",
      field: "to",
      remedy: '{"to": 1}: the node by its number',
    })
  const { answer, reason, vms } = await answered(hand(operator).askHypervisor(machine, { kind: "VmMoveAsk", vm, to }))
  if (answer === "refused")
    throw new Problem({ status: 409, title: "Refused", detail: String(reason), field: "to", remedy: `GET /v1/machines/${machine}/vms` })
  return context.json({ vm: (vms as readonly Json[] | undefined)?.[0] ?? null }, 202)
}

async function typeAt(context: Context, operator: () => Operator | null): Promise<Response> {
  const { machine, vm } = context.req.param() as { machine: string; vm: string }
  const { writer, seq, data } = await pieceOf(context)
  const typed = await answered(hand(operator).askHypervisor(machine, { kind: "ConsoleType", vm, writer, seq, data }))
  if (typed["state"] === "unknown")
    throw new Problem({ status: 404, title: "Not found", detail: `${machine} has no VM ${vm}`, field: "vm", remedy: "list them first" })
  return context.json({ taken: typed["taken"] ?? 0, state: typed["state"] ?? null })
}

interface Piece {
  readonly writer: string
  readonly seq: number
  readonly data: string
}

async function pieceOf(context: Context): Promise<Piece> {
  const wrong = (field: string, remedy: string): Problem =>
    new Problem({ status: 400, title: "Bad request", detail: `${field} is not as it must be`, field, remedy })
  if (Number(context.req.header("content-length") ?? 0) > 2 * CONSOLE_CHUNK_BYTES)
    throw wrong("body", `at most ${CONSOLE_CHUNK_BYTES} bytes at once`)
  const body = (await context.req.json().catch(() => null)) as Partial<Record<keyof Piece, unknown>> | null
  const { writer, seq, data } = body ?? {}
  if (typeof writer !== "string" || !/^[\w.-]{1,64}$/.test(writer)) throw wrong("writer", "a name of your own, letters and digits")
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 1) throw wrong("seq", "1 for the first piece, one more for each")
  if (typeof data !== "string" || !BASE64.test(data) || Buffer.byteLength(data, "base64") > CONSOLE_CHUNK_BYTES)
    throw wrong("data", `base64 of at most ${CONSOLE_CHUNK_BYTES} bytes`)
  return { writer, seq, data }
}

function offsetOf(context: Context): number {
  const given = context.req.header("last-event-id") ?? context.req.query("from") ?? "0"
  if (/^\d{1,15}$/.test(given)) return Number(given)
  throw new Problem({
    status: 400,
    title: "Bad request",
    detail: `from is ${given}`,
    field: "from",
    remedy: "a count of bytes, 0 for the whole history",
  })
}
