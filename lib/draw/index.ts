export { type DrawOptions, draw } from './draw.js'
