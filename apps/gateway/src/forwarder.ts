/** Passes requests on to a real collector, as they came. Never holds a sender up; what cannot be passed on is counted. */
import type { MetricStore } from "@backplane/foundation-telemetry/metric-store"
import type { Signal } from "@backplane/foundation-telemetry/settings"

export interface ForwarderOptions {
  readonly to: string
  readonly headers: Readonly<Record<string, string>>
  readonly metrics: MetricStore
}

const IN_FLIGHT_MAX = 8
const TIMEOUT_MS = 5_000

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #inFlight = new Set<Promise<void>>()

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  /** `headers` are the content type and encoding of the body as it came. */
  pass(signal: Signal, body: Uint8Array, headers: Readonly<Record<string, string>>): void {
    if (this.#inFlight.size >= IN_FLIGHT_MAX) return this.#count(signal, "dropped")
    const passing = this.#send(signal, body, headers).then((isAccepted) => {
      this.#inFlight.delete(passing)
      this.#count(signal, isAccepted ? "accepted" : "failed")
    })
    this.#inFlight.add(passing)
  }

  /** Settles when nothing is under way any more; bounded by the time limit of a request. */
  async idle(): Promise<void> {
    await Promise.all(this.#inFlight)
  }

  async #send(signal: Signal, body: Uint8Array, headers: Readonly<Record<string, string>>): Promise<boolean> {
    try {
      const response = await fetch(`${this.#options.to}/v1/${signal}`, {
        method: "POST",
        headers: { ...this.#options.headers, ...headers },
        body: Buffer.from(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      await response.arrayBuffer()
      return response.ok
    } catch {
      return false
    }
  }

  #count(signal: Signal, result: "accepted" | "failed" | "dropped"): void {
    this.#options.metrics.count("backplane_collector_forwarded_total", { signal, result })
  }
}
