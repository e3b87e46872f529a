/** The gateway as a process: `node apps/gateway/src/main.ts`. Settings: config.ts; the bus: foundation/runtime's service-environment. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { readSettings } from "@backplane/foundation-telemetry/settings"
import { wallMilliseconds } from "@backplane/foundation-runtime/paced-clock"
import { EnvironmentError } from "@backplane/foundation-runtime/service-environment"
import { joinBus } from "./bus.ts"
import { ConfigError, readConfig } from "./config.ts"
import { startGateway, type Gateway } from "./gateway.ts"
import { storeRoutes } from "./kv/routes-store.ts"
import { StoreDoor } from "./kv/store-door.ts"
import { consoleRoutes } from "./routes-console.ts"
import { memoryRoutes } from "./routes-memory.ts"
import { operatorRoutes } from "./routes-operator.ts"
import { scoreboardRoutes } from "./routes-scoreboard.ts"
import { vmRoutes } from "./routes-vms.ts"
import { simulate } from "./scoreboard.ts"

const DRAIN_MILLISECONDS = 1_000

async function main(): Promise<void> {
  const config = readConfig(process.env)
  // It takes a third of a second to load, during which nobody is answered: whoever comes to a gateway that begins again would wait for it, where a
  // connection that is refused goes to another gateway at once. So it is there before the port is open.
  if (readSettings(process.env).destination.kind !== "off") await import("@backplane/foundation-telemetry/exporters")
  const bus = joinBus(process.env, config)
  let gateway: Gateway | null = null
  const door = new StoreDoor({ access: config.access, store: bus.store, telemetry: () => gateway?.telemetry ?? null })
  gateway = await startGateway({
    ...config,
    environment: process.env,
    now: wallMilliseconds,
    readiness: bus.readiness,
    routes: [
      consoleRoutes(bus.sight),
      operatorRoutes(bus.operator, config.access),
      memoryRoutes(bus.operator, config.access),
      vmRoutes(bus.operator, config.access),
      scoreboardRoutes(simulate, config.access),
      storeRoutes(door),
    ],
  })
  console.log(`gateway listening on ${gateway.url}`)
  const home = process.env["BACKPLANE_HOME"] ?? ""
  if (home !== "") writeFileSync(join(home, `${process.env["BACKPLANE_INSTANCE"] ?? "gateway-0"}.url`), `${gateway.url}\n`)
  process.exitCode = await bus.serve(gateway, async () => {
    door.drain()
    await door.drained(DRAIN_MILLISECONDS)
  })
}

main().catch((error: unknown) => {
  const isSetting = error instanceof ConfigError || error instanceof EnvironmentError
  console.error(isSetting ? error.message : error)
  process.exit(isSetting ? 2 : 1)
})
