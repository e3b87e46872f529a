/**
 * The link between the front (what the user started and sees) and the supervisor (which outlives nothing of it by accident).
 *
 * One socket, one JSON record per line. Its end is a message too: a front that vanished without "detach" means stop.
 */
import type { Socket } from "node:net"
import { createInterface } from "node:readline"
import type { StackState } from "./stack-state.ts"

export type ToFront =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "state"; readonly state: StackState }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly reason: string; readonly usage: boolean }
  | { readonly kind: "stopped" }

export type ToSupervisor = { readonly kind: "detach" } | { readonly kind: "stop" }

/** The file descriptor at which the supervisor finds its end. */
export const LINK_FD = 3

export function send(socket: Socket, record: ToFront | ToSupervisor): void {
  if (socket.writable) socket.write(`${JSON.stringify(record)}\n`)
}

/** Both ends are of the same checkout: what arrives is what was sent. */
export function listen<T extends ToFront | ToSupervisor>(socket: Socket, handlers: { record: (record: T) => void; end: () => void }): void {
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    handlers.end()
  }
  socket.on("error", end)
  socket.on("close", end)
  createInterface({ input: socket })
    .on("line", (line) => handlers.record(JSON.parse(line) as T))
    .on("error", end)
    .on("close", end)
}
