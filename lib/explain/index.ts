export { type Chain, type Explanation, explain, type Link, type Question } from './explain.js'
