/** Draws the pictures of the root README: `npx nx run catalogue:pictures`. */
import { drawAll } from "./pictures.ts"

drawAll()
