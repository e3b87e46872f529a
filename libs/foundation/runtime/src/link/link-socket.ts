/**
 * One connected socket as a pipe of frames: four bytes of length, little endian, then as many of a frame (batch-frame.ts).
 *
 * Never throws and never waits: what finds no room is refused, and the caller counts it. A peer that sends what is no frame is cut off.
 */
import type { Socket } from "node:net"

export const LENGTH_BYTES = 4
/** Longer frames are not sent, so a length above it is damage. */
const LINK_FRAME_BYTES_MAX = 16 * 1_048_576
/** May wait for a peer that does not read. */
const WAITING_BYTES_MAX = 64 * 1_048_576
const KEEP_ALIVE_MILLISECONDS = 5_000

export interface LinkSocketOptions {
  readonly socket: Socket
  readonly onFrame: (frame: Buffer) => void
  /** Called once, whoever closed it. */
  readonly onClose: () => void
}

export class LinkSocket {
  readonly #socket: Socket
  readonly #onFrame: (frame: Buffer) => void
  /** What has come and is no whole frame yet. */
  #chunks: Buffer[] = []
  #bytes = 0
  /** Bytes until the next frame is whole. */
  #wanted = LENGTH_BYTES

  constructor({ socket, onFrame, onClose }: LinkSocketOptions) {
    this.#socket = socket
    this.#onFrame = onFrame
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS)
    socket.on("data", (chunk) => this.#onData(chunk as Buffer))
    socket.on("error", () => socket.destroy())
    socket.once("close", onClose)
  }

  /**
   * A frame in parts, of which the first begins with LENGTH_BYTES of room for its length; they go out in one system call. False where the peer reads
   * too slowly, or is gone: it was not sent.
   */
  send(parts: readonly [Buffer, ...Uint8Array[]]): boolean {
    const [head] = parts
    const bytes = parts.reduce((sum, { length }) => sum + length, 0)
    if (this.#socket.destroyed || this.#socket.writableLength + bytes > WAITING_BYTES_MAX) return false
    head.writeUInt32LE(bytes - LENGTH_BYTES, 0)
    if (parts.length > 1) this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    if (parts.length > 1) this.#socket.uncork()
    return true
  }

  /** At once: what was not read yet is lost. */
  destroy(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes < this.#wanted) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes)
    let offset = 0
    this.#wanted = LENGTH_BYTES
    while (bytes.length - offset >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(offset)
      if (length === 0 || length > LINK_FRAME_BYTES_MAX) return this.destroy()
      if (bytes.length - offset < LENGTH_BYTES + length) {
        this.#wanted = LENGTH_BYTES + length
        break
      }
      offset += LENGTH_BYTES
      this.#onFrame(bytes.subarray(offset, offset + length))
      offset += length
    }
    this.#bytes = bytes.length - offset
    this.#chunks = this.#bytes === 0 ? [] : [bytes.subarray(offset)]
  }
}
