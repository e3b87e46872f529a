/**
 * The gateway's place on the bus: it answers `$SRV.PING` and control requests as every service does, under its own NATS user.
 *
 * Without BACKPLANE_NATS_URL it runs alone, as a collector only. With it, it is ready when it has joined.
 */
import { plainCodec } from "@backplane/foundation-runtime/body-codec"
import { connectToBus } from "@backplane/foundation-runtime/connection"
import { readServiceEnvironment } from "@backplane/foundation-runtime/service-environment"
import { startService } from "@backplane/foundation-runtime/service"
import { ActorConfigError } from "@backplane/foundation-runtime/service-options"
import { hostSubject } from "@backplane/foundation-runtime/subjects"
import type { Environment } from "@backplane/foundation-telemetry/settings"
import type { NatsConnection } from "@nats-io/nats-core"
import type { GatewayConfig } from "./config.ts"
import type { Gateway, Readiness } from "./gateway.ts"
import { MACHINES_SUBJECT, operatorOn, type Operator } from "./operator.ts"
import type { Telemetry } from "@backplane/foundation-telemetry/telemetry"
import { askFollowed } from "./kv/followed-ask.ts"
import { StoreAccess } from "./kv/store-access.ts"
import { Visitors } from "./kv/visitors.ts"
import type { Sight } from "./routes-console.ts"

const ASK_MILLISECONDS = 3_000
/** The page goes on without whom does not answer for so long. */
const LOOK_MILLISECONDS = 500
const VISITOR_PAUSE_MILLISECONDS = 1_500

export interface BusPlace {
  readonly readiness: () => Readiness
  /** What the console shows; null until the bus is joined. */
  readonly sight: () => Sight | null
  /** Null until the bus is joined. */
  readonly operator: () => Operator | null
  /** The store; null until the bus is joined. */
  readonly store: () => StoreAccess | null
  /** Joins, and settles with the exit code when the gateway has been told to stop and has stopped. */
  serve(gateway: Gateway, beforeStop?: () => Promise<void>): Promise<number>
}

/** Visitors are played by the first gateway of a stack only. */
export function joinBus(environment: Environment, { visitors, store: size }: Pick<GatewayConfig, "visitors" | "store">): BusPlace {
  const isAlone = (environment["BACKPLANE_NATS_URL"] ?? "") === ""
  let readiness: Readiness = isAlone ? { ready: true, detail: "listening; not on a bus" } : { ready: false, detail: "joining the bus" }
  let sight: Sight | null = null
  let operator: Operator | null = null
  let store: StoreAccess | null = null
  let guests: { stop(): void } | null = null
  return {
    readiness: () => readiness,
    sight: () => sight,
    operator: () => operator,
    store: () => store,
    serve: async (gateway, beforeStop) => {
      if (isAlone) return untilSignal(gateway)
      const settings = readServiceEnvironment("gateway", environment, process.argv.slice(2), process.pid)
      const asking = await connectToBus("gateway", settings)
      const service = await startService({
        service: "gateway",
        environment: settings,
        actorFactory: (actor) => {
          throw new ActorConfigError("", `the gateway hosts no actors yet: ${actor}`)
        },
        codec: plainCodec,
        events: gateway.telemetry,
        spans: gateway.telemetry,
        spanIds: gateway.telemetry.ids,
        onStop: async () => {
          guests?.stop()
          await beforeStop?.()
          store?.close()
          await asking.close()
          await gateway.close()
        },
      })
      sight = sightOver(asking)
      operator = operatorOn(asking, settings.instance)
      const number = /\d+$/.exec(settings.instance)?.[0] ?? "0"
      const accessOf = (name: string): StoreAccess =>
        new StoreAccess({
          connection: asking,
          events: gateway.telemetry,
          size,
          name,
        })
      store = accessOf(number)
      guests =
        number === "0" && visitors > 0 ? visit(gateway.telemetry, (visitor) => accessOf(`${number}-visitor-${visitor}`), visitors) : null
      readiness = { ready: true, detail: "listening, on the bus" }
      return service.stopped
    },
  }
}

function sightOver(connection: NatsConnection): Sight {
  return {
    office: async (request) => (await connection.request(MACHINES_SUBJECT, JSON.stringify(request), { timeout: ASK_MILLISECONDS })).json(),
    process: async (instance, request) => {
      try {
        return (await connection.request(hostSubject(instance), JSON.stringify(request), { timeout: LOOK_MILLISECONDS })).json()
      } catch {
        // A part that is down or paused is seen as missing; the others are still to be seen.
        return null
      }
    },
  }
}

function visit(telemetry: Telemetry, access: (visitor: number) => StoreAccess, visitors: number): { stop(): void } {
  const accesses = Array.from({ length: visitors }, (_, visitor) => access(visitor))
  const guests = new Visitors({
    visitors: accesses.map(
      (each) => async (operation) => (await askFollowed({ store: each, telemetry, operation, isPlayed: true })).answer,
    ),
    random: Math.random,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds).unref()),
    pauseMilliseconds: VISITOR_PAUSE_MILLISECONDS,
  })
  void guests.run()
  return {
    stop: () => {
      guests.stop()
      for (const each of accesses) each.close()
    },
  }
}

function untilSignal(gateway: Gateway): Promise<number> {
  return new Promise((resolve) => {
    const stop = (): void => void gateway.close().then(() => resolve(0))
    process.once("SIGINT", stop)
    process.once("SIGTERM", stop)
  })
}
