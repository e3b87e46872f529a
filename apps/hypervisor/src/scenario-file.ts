/** The scenario that a stack runs from its start: a YAML or JSON file, or the default one that ships with the hypervisor. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { EnvironmentError } from "@backplane/foundation-runtime/service-environment"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { parse } from "yaml"

const DEFAULT_SCENARIO = join(import.meta.dirname, "../scenarios/default.yaml")

/** `none` starts no machine. */
export function readScenario(path = DEFAULT_SCENARIO): MachineSpec | null {
  if (path === "none") return null
  try {
    return resolveMachineSpec(parse(readFileSync(path === "" ? DEFAULT_SCENARIO : path, "utf8")))
  } catch (error) {
    const reason = error instanceof Rejection ? error.message : error instanceof Error ? error.message.split("\n")[0] : String(error)
    throw new EnvironmentError(`scenario ${path}: ${reason}`)
  }
}
