/** What a node does with the frames that its VMs lie in. How it does it is trap/vmm's. */
import { Type, type Static } from "typebox"

export const VmMemorySpec = Type.Object(
  {
    share: Type.Optional(
      Type.Boolean({ description: "equal pages of VMs on a node lie in one frame until they are written (copy on write); not given: no" }),
    ),
  },
  { additionalProperties: false, description: "the frames of each node that its VMs lie in" },
)
export type VmMemorySpec = Static<typeof VmMemorySpec>
