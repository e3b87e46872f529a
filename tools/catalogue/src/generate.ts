/** Writes the catalogue into scenario/codec: `npx nx run catalogue:generate`. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { CATALOGUE_FOLDER, catalogueFiles } from "./catalogue-files.ts"

for (const [name, text] of catalogueFiles()) {
  writeFileSync(join(CATALOGUE_FOLDER, name), text)
  console.log(`libs/scenario/codec/${name}`)
}
