/** What a node does with the frames that its VMs lie in. How it does it is trap/vmm's. */
import { Type, type Static } from "typebox"

export const VmMemorySpec = Type.Object(
  {
    share: Type.Optional(
      Type.Boolean({ description: "equal pages of VMs on a node lie in one frame until they are written (copy on write); not given: no" }),
    ),
    swapPages: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000,
        description:
          "pages of VMs for which a node has room in its swap file: it may promise so many pages more than it has frames; not given: 0, every page has a frame",
      }),
    ),
  },
  { additionalProperties: false, description: "the frames of each node that its VMs lie in" },
)
export type VmMemorySpec = Static<typeof VmMemorySpec>
