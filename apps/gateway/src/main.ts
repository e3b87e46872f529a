/** The gateway as a process: `node apps/gateway/src/main.ts`. Settings: config.ts. */
import { ConfigError, readConfig } from "./config.ts"
import { startGateway } from "./gateway.ts"

async function main(): Promise<void> {
  const gateway = await startGateway({
    ...readConfig(process.env),
    environment: process.env,
    now: () => performance.timeOrigin + performance.now(),
  })
  console.log(`gateway listening on ${gateway.url}`)
  const stop = (): void => void gateway.close()
  process.once("SIGINT", stop)
  process.once("SIGTERM", stop)
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exitCode = error instanceof ConfigError ? 2 : 1
})
