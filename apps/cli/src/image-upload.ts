/** Brings kernels and disks to the stack: in pieces, by their SHA-256, and only what is not there yet. */
import { createHash } from "node:crypto"
import { volumeNamed } from "@backplane/scenario-machine/resolve-vms"
import { IMAGE_BYTES_MAX, VOLUME_PREFIX, type DiskRef, type ImageRef } from "@backplane/scenario-machine/vm-spec"
import { bad, CommandFailure } from "./failure.ts"
import { readFile } from "./guest-file.ts"
import type { StackClient } from "./stack-client.ts"
import { StoreClient } from "./store-client.ts"
import { StoreDisks } from "./store-disks.ts"

const PIECE_BYTES = 512 * 1024

/** What a file is called by its content. */
export function imageRef(
  path: string,
  { flag, data = readFile(path, flag) }: { readonly flag: string; readonly data?: Uint8Array | undefined },
): { readonly ref: ImageRef; readonly data: Uint8Array } {
  if (data.length === 0 || data.length > IMAGE_BYTES_MAX)
    throw bad(flag, `${path} has ${data.length} bytes; give an image of 1 to ${IMAGE_BYTES_MAX}`)
  return { ref: { hash: createHash("sha256").update(data).digest("hex"), bytes: data.length }, data }
}

/** What a disk flag means: a disk in the store stays there, a file is brought. */
export async function bringDisk(client: Pick<StackClient, "office">, path: string, home: string): Promise<DiskRef> {
  if (!path.startsWith(VOLUME_PREFIX)) return bringImage(client, { path, flag: "--disk" }, home)
  return volumeNamed(path.slice(VOLUME_PREFIX.length), "--disk")
}

/** `kv:<name>` is an image in the store: as it is now. */
export async function bringImage(
  client: Pick<StackClient, "office">,
  { path, flag }: { readonly path: string; readonly flag: string },
  home: string,
): Promise<ImageRef> {
  const stored = path.startsWith(VOLUME_PREFIX)
    ? await new StoreDisks(new StoreClient(home)).read(path.slice(VOLUME_PREFIX.length))
    : undefined
  const { ref, data } = imageRef(path, { flag, data: stored })
  let have = await put(client, ref, { offset: 0, data: new Uint8Array(0) })
  while (have < ref.bytes) {
    const next = await put(client, ref, { offset: have, data: data.subarray(have, have + PIECE_BYTES) })
    if (next <= have) throw new CommandFailure("upload", `${path}: the stack has taken ${have} of ${ref.bytes} bytes and takes no more`)
    have = next
  }
  return ref
}

async function put(
  client: Pick<StackClient, "office">,
  { hash, bytes }: ImageRef,
  { offset, data }: { readonly offset: number; readonly data: Uint8Array },
): Promise<number> {
  const reply = await client.office({ op: "image", hash, total: bytes, offset, data: Buffer.from(data).toString("base64") })
  return Number(reply["have"])
}
