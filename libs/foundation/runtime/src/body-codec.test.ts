import { describe, expect, it } from "vitest"
import { plainCodec, type BodyPacker } from "./body-codec.ts"
import { withLockstep } from "./clock-actor.ts"
import { withLinks } from "./link/link-protocol.ts"

const packer: BodyPacker = { pack: () => false, unpack: () => ({ kind: "Nothing" }) }

describe("a codec that is wrapped for the runtime's own bodies", () => {
  it.each([
    ["links", withLinks],
    ["lock-step", withLockstep],
  ])("keeps its form of bytes: %s", (_of, wrap) => {
    expect(wrap({ ...plainCodec, packer }).packer).toBe(packer)
    expect(wrap(plainCodec)).not.toHaveProperty("packer")
  })
})
