/** Types of packages.mjs, which is plain JavaScript because eslint loads it. */
import type { Package } from "./src/tidy.ts"

export function workspacePackages(workspace: string): Package[]
