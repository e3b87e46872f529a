/** Files that a command writes when its work is done: whether they can be is known before it begins. */
import { accessSync, constants, statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { InvalidArgumentError } from "commander"

/** The value of a flag such as `--svg`; the file need not be there, its folder must be. */
export function fileToWrite(path: string): string {
  const problem = unwritable(path)
  if (problem !== null) throw new InvalidArgumentError(`${problem}; give a file that can be written`)
  return path
}

/** Why nothing can be written there, or null. */
export function unwritable(path: string): string | null {
  if (path === "") return "it has no name"
  const folder = dirname(resolve(path))
  const [file, around] = [kindOf(path), kindOf(folder)]
  if (file === "folder") return "it is a folder"
  if (file === "none" && around !== "folder") return around === "none" ? `there is no folder ${folder}` : `${folder} is no folder`
  try {
    accessSync(file === "none" ? folder : path, constants.W_OK)
    return null
  } catch {
    return `${file === "none" ? folder : path} may not be written`
  }
}

function kindOf(path: string): "none" | "folder" | "file" {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return "none"
  return stat.isDirectory() ? "folder" : "file"
}
