/** Two levels of fake services. Moods come from `FAKE_MOODS`, for example `{"front":"dies"}`. */
import { relative, join } from "node:path"
import type { Readiness, ServiceDeclaration } from "../service-manifest.ts"
import { ROOT } from "../stack-layout.ts"

const PROGRAM = relative(ROOT, join(import.meta.dirname, "fake-service.ts"))
const APP = relative(ROOT, join(import.meta.dirname, "fake-app.ts"))
const moods = JSON.parse(process.env["FAKE_MOODS"] ?? "{}") as Readonly<Record<string, string>>

const READINESS: Readonly<Record<string, Readiness>> = { http: { kind: "http", path: "/readyz" } }

function fake(name: string, count: number, dependsOn: readonly string[]): ServiceDeclaration {
  return {
    name,
    count,
    dependsOn,
    command: ["node", PROGRAM, name, moods[name] ?? "sound"],
    readiness: READINESS[moods[name] ?? ""] ?? { kind: "bus" },
    grows: false,
    stopsLast: moods[name] === "last",
    startModule: moods[name] === undefined ? APP : null,
  }
}

export const services: readonly ServiceDeclaration[] = [fake("back", 2, []), fake("front", 1, ["back"])]
