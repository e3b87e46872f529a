/** A node whose VMs share memory in a wrong way, to see that their guests notice. */
import { createHash } from "node:crypto"
import { actorIndex, type ActorId } from "@backplane/foundation-actor/actor-id"
import type { Machine } from "@backplane/foundation-actor/machine"
import { WasmEngine } from "@backplane/compute-engine/engine"
import { readGuestImage } from "@backplane/compute-image/guest-image"
import { NodeMachine } from "@backplane/compute-node/node"
import { SyntheticEngine } from "@backplane/compute-synthetic/synthetic-engine"
import { machineSpaces } from "@backplane/memory-agent/machine-spaces"
import type { MachineSpec } from "@backplane/scenario-machine/machine-spec"
import { NodeVms } from "@backplane/trap-vm-host/node-vms"
import type { Spaces } from "@backplane/trap-vm-host/space-port"

/** `rights-stay`: a page that was taken away may be used all the same. */
export type PlantedSpaces = "right" | "rights-stay"

interface NodeOf {
  readonly spec: MachineSpec
  readonly id: ActorId
  readonly incarnation: number
}

export function nodeWithSpaces({ spec, id, incarnation }: NodeOf, planted: PlantedSpaces): Machine {
  const place = { node: Number(actorIndex(id)), incarnation }
  const parts = {
    makeEngine: (options: ConstructorParameters<typeof WasmEngine>[0]) => new WasmEngine(options),
    readImage: readGuestImage,
    decodeText: (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8"),
    digest: (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex"),
    makeSpaces: () => spacesOf(machineSpaces(spec, place.node), planted),
  }
  const engines = { jobs: new SyntheticEngine(spec.cache), vms: new NodeVms(spec, place, parts) }
  return new NodeMachine({ spec, ...place, engines }) as Machine
}

function spacesOf(right: Spaces, planted: PlantedSpaces): Spaces {
  if (planted === "right") return right
  return {
    reports: (...of) => right.reports(...of),
    open: ({ memory, ...options }) =>
      right.open({
        ...options,
        memory: {
          ...memory,
          setRights: (page, rights) => {
            if (rights !== "none") memory.setRights(page, rights)
          },
        },
      }),
  }
}
