/** The gateway as a process: `node apps/gateway/src/main.ts`. Settings: config.ts; the bus: foundation/runtime's service-environment. */
import { EnvironmentError } from "@backplane/foundation-runtime/service-environment"
import { joinBus } from "./bus.ts"
import { ConfigError, readConfig } from "./config.ts"
import { startGateway } from "./gateway.ts"
import { consoleRoutes } from "./routes-console.ts"
import { operatorRoutes } from "./routes-operator.ts"
import { vmRoutes } from "./routes-vms.ts"

async function main(): Promise<void> {
  const bus = joinBus(process.env)
  const config = readConfig(process.env)
  const gateway = await startGateway({
    ...config,
    environment: process.env,
    now: () => performance.timeOrigin + performance.now(),
    readiness: bus.readiness,
    routes: [consoleRoutes(bus.office), operatorRoutes(bus.operator, config.access), vmRoutes(bus.operator, config.access)],
  })
  console.log(`gateway listening on ${gateway.url}`)
  process.exitCode = await bus.serve(gateway)
}

main().catch((error: unknown) => {
  const isSetting = error instanceof ConfigError || error instanceof EnvironmentError
  console.error(isSetting ? error.message : error)
  process.exit(isSetting ? 2 : 1)
})
