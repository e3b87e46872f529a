/** The scenario that a stack runs from its start: a YAML or JSON file, or the default one that ships with the hypervisor. */
import { readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { EnvironmentError } from "@backplane/foundation-runtime/service-environment"
import { Rejection } from "@backplane/scenario-machine/rejection"
import { resolveMachineSpec } from "@backplane/scenario-machine/resolve"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import type { ImageRef } from "@backplane/scenario-machine/vm-spec"
import { guestFileReader } from "@backplane/trap-guest/guest-files"
import { parse } from "yaml"
import type { ImageFiles } from "./image-files.ts"

const DEFAULT_SCENARIO = join(import.meta.dirname, "../scenarios/default.yaml")

/** `none` starts no machine. Kernels and disks that it names go to the image store. */
export function readScenario(path = DEFAULT_SCENARIO, images: Pick<ImageFiles, "importFile">): MachineSpec | null {
  if (path === "none") return null
  try {
    const file = path === "" ? DEFAULT_SCENARIO : path
    const readGuest = guestFileReader((guest) => readFileSync(resolve(dirname(file), guest)), { readImage: readGuestImage })
    const readImage = (name: string, field: string): ImageRef => {
      try {
        return images.importFile(resolve(dirname(file), name))
      } catch (error) {
        throw new Rejection(field, `${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return resolveMachineSpec(parse(readFileSync(file, "utf8")), readGuest, readImage)
  } catch (error) {
    const reason = error instanceof Rejection ? error.message : error instanceof Error ? error.message.split("\n")[0] : String(error)
    throw new EnvironmentError(`scenario ${path}: ${reason}`)
  }
}
