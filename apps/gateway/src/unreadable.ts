/**
 * What comes in that is no request, or one whose head is too long or too slow: the parser refuses it before any route sees it, and says so with a bare
 * status. Here it gets a problem document like all that is wrong.
 */
import { STATUS_CODES, type Server } from "node:http"
import type { Duplex } from "node:stream"
import { Problem, problemText, type ProblemDocument } from "./problem.ts"

const TOO_LONG: ProblemDocument = {
  status: 431,
  title: "Request header fields too large",
  detail: "the path and the headers have more than 16384 bytes together",
  field: "head",
  remedy: "send a key of at most 512 characters, and fewer or shorter headers",
}
const TOO_SLOW: ProblemDocument = {
  status: 408,
  title: "Request timeout",
  detail: "the request did not come in time",
  field: "head",
  remedy: "send it at once",
}
const NO_REQUEST: ProblemDocument = {
  status: 400,
  title: "Bad request",
  detail: "that is no HTTP request",
  field: "head",
  remedy: "send a method, a path, HTTP/1.1, and a Content-Length that is the body's",
}

export function answerUnreadable(server: Server): void {
  /** Sockets with an answer under way: a second one in the middle of it would be read as a part of it. */
  const answering = new WeakSet<Duplex>()
  server.on("request", ({ socket }, outgoing) => {
    answering.add(socket)
    outgoing.once("close", () => answering.delete(socket))
  })
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === "ECONNRESET" || answering.has(socket)) return void socket.destroy()
    socket.end(responseText(documentOf(error.code)))
  })
}

function documentOf(code: string | undefined): ProblemDocument {
  if (code === "HPE_HEADER_OVERFLOW") return TOO_LONG
  return code === "ERR_HTTP_REQUEST_TIMEOUT" ? TOO_SLOW : NO_REQUEST
}

function responseText(document: ProblemDocument): string {
  const body = problemText(new Problem(document))
  const lines = [
    `HTTP/1.1 ${document.status} ${STATUS_CODES[document.status] ?? document.title}`,
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ]
  return `${lines.join("\r\n")}\r\n\r\n${body}`
}
