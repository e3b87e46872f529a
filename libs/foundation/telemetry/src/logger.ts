/**
 * The log of a process: pino, one JSON object a line on standard output, an event name and typed fields, never a sentence
 * with ids in it. Lines that belong to a span carry `trace_id` and `span_id`; an optional hook also hands each line to OTLP.
 */
import pino, { type DestinationStream, type Logger as PinoLogger } from "pino"
import type { Attributes, TraceContext } from "@backplane/foundation-actor/trace-context"
import type { Environment } from "./settings.ts"

export type Level = "debug" | "info" | "warn" | "error"

export interface LogLine {
  readonly level: Level
  readonly name: string
  readonly fields: Attributes
  readonly trace: TraceContext | undefined
}

export interface LogOptions {
  readonly service: string
  readonly instance: string
  readonly environment: Environment
  /** Standard output where it is missing. */
  readonly stream?: DestinationStream
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"]

export class Log {
  readonly #pino: PinoLogger
  readonly #base: Readonly<Record<string, string>>
  #hook: ((line: LogLine) => void) | null = null

  constructor(options: LogOptions) {
    const asked = options.environment["BACKPLANE_LOG_LEVEL"]?.trim() ?? ""
    this.#base = { service: options.service, instance: options.instance }
    const settings = {
      level: LEVELS.includes(asked) ? asked : "info",
      base: this.#base,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    }
    this.#pino = options.stream === undefined ? pino(settings) : pino(settings, options.stream)
    if (asked !== "" && !LEVELS.includes(asked))
      this.write({
        level: "warn",
        name: "setting-ignored",
        fields: { setting: "BACKPLANE_LOG_LEVEL", remedy: LEVELS.join(", ") },
        trace: undefined,
      })
  }

  /** Also hands every line of an enabled level to `hook`. */
  onLine(hook: (line: LogLine) => void): void {
    this.#hook = hook
  }

  /** Whether a line of this level is written at all: ask before putting together many fields. */
  isWritten(level: Level): boolean {
    return this.#pino.isLevelEnabled(level)
  }

  write(line: LogLine): void {
    if (!this.#pino.isLevelEnabled(line.level)) return
    const ids = line.trace === undefined ? {} : { trace_id: line.trace.traceId, span_id: line.trace.spanId }
    // What every line says already is not said twice: pino would write the key two times.
    const fields = Object.entries(line.fields).filter(([key, value]) => this.#base[key] !== value)
    this.#pino[line.level]({ ...ids, ...Object.fromEntries(fields) }, line.name)
    this.#hook?.(line)
  }

  flush(): void {
    this.#pino.flush()
  }
}
