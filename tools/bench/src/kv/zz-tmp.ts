const variants = (process.env.VARIANTS ?? "").split(";")
if (variants.length > 1) { const { spawnSync } = await import("node:child_process"); for (const v of variants) { console.log("##", v); const r = spawnSync(process.execPath, [process.argv[1]!], { env: { ...process.env, VARIANTS: "", ...Object.fromEntries(v.split(" ").filter(Boolean).map((x) => x.split("="))) }, encoding: "utf8" }); console.log(r.stdout + r.stderr) } process.exit(0) }
import { backplaneStore } from "./backplane-store.ts"
import { measure, CLIENTS } from "./load.ts"
import { cpuMicroseconds } from "./store-under-test.ts"
import { rmSync, mkdtempSync } from "node:fs"
const dir = mkdtempSync("/tmp/kvb-")
const s = (await backplaneStore.start(dir))!
const warm = Number(process.env.WARM ?? 4000)
for (const connections of (process.env.CONN ?? "shared,own").split(",") as any[]) {
  const cell = { connections, reads: Number(process.env.READS ?? 50), bytes: Number(process.env.BYTES ?? 100) } as any
  await measure(s, cell, { milliseconds: warm, seed: 1 })
  const c0 = process.cpuUsage(); const each0 = s.pids.map((p) => cpuMicroseconds([p])); const t = performance.now()
  const m = await measure(s, cell, { milliseconds: Number(process.env.MS ?? 2000), seed: 2 })
  const c = process.cpuUsage(c0); const ops = m.opsPerSecond * Number(process.env.MS ?? 2000) / 1000 * 1.25
  console.log(connections, m.opsPerSecond.toFixed(0), "ops/s p50", m.p50Milliseconds.toFixed(1), "p99", m.p99Milliseconds.toFixed(1), "store us/op", m.cpuMicrosecondsPerOp.toFixed(0), "client us/op", ((c.user + c.system) / ops).toFixed(0), "each us/op (nats, shards)", s.pids.map((p, i) => ((cpuMicroseconds([p]) - each0[i]!) / ops).toFixed(0)).join(" "))
}
await s.stop(); rmSync(dir, { recursive: true, force: true }); process.exit(0)
