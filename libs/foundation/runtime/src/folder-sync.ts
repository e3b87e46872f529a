/** Folders on disk: making a change of their entries durable. */
import { open } from "node:fs/promises"

/** Makes a rename, a new file or a removal itself durable. Windows has no such thing and refuses to open a folder. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return
  const handle = await open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT"
}
