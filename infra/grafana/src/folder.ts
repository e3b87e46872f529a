/** Where the committed files of this package lie. */
import { fileURLToPath } from "node:url"

export const DASHBOARDS_FOLDER = fileURLToPath(new URL("../dashboards/", import.meta.url))
export const COMPOSE_FILE = fileURLToPath(new URL("../compose.yaml", import.meta.url))
