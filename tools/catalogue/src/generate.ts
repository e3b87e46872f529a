/** Writes the catalogue into scenario/codec and scenario/machine: `npx nx run catalogue:generate`. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { catalogueFiles, ROOT } from "./catalogue-files.ts"

for (const [path, text] of catalogueFiles()) {
  writeFileSync(join(ROOT, path), text)
  console.log(path)
}
