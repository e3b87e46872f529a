/** A log that cannot fill the disk: when it is full it becomes `<name>.1` and starts anew. Synchronous: nothing is lost in a crash. */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from "node:fs"

const LOG_BYTES_MAX = 8 * 1024 * 1024

export class LogFile {
  readonly path: string
  readonly #bytesMax: number
  #file: number
  #bytes: number
  #closed = false

  constructor(path: string, bytesMax: number = LOG_BYTES_MAX) {
    this.path = path
    this.#bytesMax = bytesMax
    this.#file = openSync(path, "a", 0o600)
    this.#bytes = fstatSync(this.#file).size
  }

  /** After the close nothing is written: a pipe may still hold what a killed process said last. */
  write(chunk: Uint8Array | string): void {
    if (this.#closed) return
    if (this.#bytes >= this.#bytesMax) this.#rotate()
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk
    writeSync(this.#file, bytes)
    this.#bytes += bytes.length
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    closeSync(this.#file)
  }

  #rotate(): void {
    closeSync(this.#file)
    renameSync(this.path, `${this.path}.1`)
    this.#file = openSync(this.path, "a", 0o600)
    this.#bytes = 0
  }
}

/** The last lines of a log, for a message that must say why. */
export function lastLines(path: string, count: number): readonly string[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, "utf8").trimEnd().split("\n")
  return lines.slice(-count).filter((line) => line !== "")
}
