/** What the CPUs of a node run: synthetic jobs and RV64 guests. Here engine, board and images come together; no library may join them. */
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import type { TaskEngines } from "@backplane/compute-node/task-works"
import { SyntheticEngine } from "@backplane/compute-synthetic/synthetic-engine"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { GuestEngine } from "@backplane/trap-guest/guest-engine"

export function taskEngines(spec: MachineSpec): TaskEngines {
  const guests = new GuestEngine({
    makeEngine: (options) => new WasmEngine(options),
    readImage: readGuestImage,
    decodeText: (bytes) => Buffer.from(bytes).toString("utf8"),
  })
  return { jobs: new SyntheticEngine(spec.cache), guests }
}
