import { createServer } from "node:net"
import { afterEach, expect, it } from "vitest"
import { freePorts } from "./free-ports.ts"

const open: ReturnType<typeof createServer>[] = []
afterEach(() => {
  for (const server of open.splice(0)) server.close()
})

it("gives ports that are all different and can be listened on", async () => {
  const ports = await freePorts(40)
  expect(new Set(ports).size).toBe(40)
  for (const port of ports)
    await new Promise<void>((resolve, reject) => {
      const server = createServer()
      open.push(server)
      server.once("error", reject)
      server.listen(port, "127.0.0.1", resolve)
    })
})
