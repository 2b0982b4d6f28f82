// A run as a picture: sizes of the units that stay and that go, on a scale of powers of ten, and accuracy below; the cut is marked.

import { THEMES } from './themes.mjs'

/** @typedef {{ kind: string, [key: string]: any }} RunRecord */

const [WIDTH, LEFT, RIGHT] = [760, 56, 16]
const SIZES = { top: 44, height: 190 }
const ACCURACY = { top: 282, height: 90 }
const HEIGHT = 410

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length

/** @param {readonly RunRecord[]} records as `jsonLines` wrote them @param {'light' | 'dark'} theme */
export function runPicture(records, theme) {
  const colours = THEMES[theme]
  const epochs = records.filter(({ kind }) => kind === 'epoch')
  const sparse = epochs.filter(({ phase }) => phase === 'sparse').length
  const before = stage(records, 'before')
  const atCut = stage(records, 'cut')
  const x = (/** @type {number} */ epoch) => LEFT + (epoch / epochs.length) * (WIDTH - LEFT - RIGHT)

  const sizes = records.filter(({ kind }) => kind === 'regularizer').map(sizesOf)
  const lowest = Math.floor(Math.min(...sizes.map(({ chosen }) => Math.log10(chosen))))
  const highest = Math.ceil(Math.max(...sizes.map(({ kept }) => Math.log10(kept))))
  const ySize = (/** @type {number} */ size) =>
    SIZES.top + ((highest - Math.log10(size)) / (highest - lowest)) * SIZES.height
  const powers = Array.from({ length: highest - lowest + 1 }, (_, k) => lowest + k)

  const accuracies = [before, ...epochs.map(({ validation }) => validation.accuracy)]
  const least = Math.floor(Math.min(...accuracies) * 20) / 20
  const yAccuracy = (/** @type {number} */ value) => ACCURACY.top + ((1 - value) / (1 - least)) * ACCURACY.height

  const { text, quiet, grid, back, kept, gone, line, cut } = colours
  const level = (/** @type {number} */ y, /** @type {string} */ label) =>
    `<path d="M${LEFT} ${y.toFixed(1)}H${WIDTH - RIGHT}" stroke="${grid}"/><text x="${LEFT - 8}" y="${(y + 4).toFixed(1)}" text-anchor="end" fill="${quiet}">${label}</text>`
  const curve = (/** @type {[number, number][]} */ points, /** @type {string} */ colour) =>
    `<path d="M${points.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join('L')}" fill="none" stroke="${colour}" stroke-width="2.5" stroke-linejoin="round"/>`
  const last = /** @type {{ kept: number, chosen: number }} */ (sizes.at(-1))
  const label = (/** @type {number} */ y, /** @type {string} */ colour, /** @type {string} */ words) =>
    `<text x="${(x(sparse) + 10).toFixed(1)}" y="${y.toFixed(1)}" fill="${colour}">${words}</text>`

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="${text}" role="img">`,
    '<title>Sizes of the units that stay and that go over a run, and its accuracy: nothing is lost at the cut</title>',
    `<rect width="100%" height="100%" fill="${back}"/>`,
    `<text x="${LEFT}" y="24" font-weight="600">Mean size of a unit</text>`,
    ...powers.map((power) => level(ySize(10 ** power), power < -2 ? `1e${power}` : String(10 ** power))),
    curve(
      sizes.map(({ kept: size }, k) => [x(k + 1), ySize(size)]),
      kept,
    ),
    curve(
      sizes.map(({ chosen: size }, k) => [x(k + 1), ySize(size)]),
      gone,
    ),
    label(ySize(last.kept) + 4, kept, 'units that stay'),
    label(ySize(last.chosen) + 4, gone, 'units that go: cut here'),
    `<text x="${LEFT}" y="${ACCURACY.top - 14}" font-weight="600">Accuracy on held-out data, %</text>`,
    ...[1, least].map((value) => level(yAccuracy(value), (100 * value).toFixed(0))),
    curve(
      accuracies.map((value, epoch) => [x(epoch), yAccuracy(value)]),
      line,
    ),
    `<path d="M${x(sparse).toFixed(1)} ${SIZES.top - 6}V${ACCURACY.top + ACCURACY.height}" stroke="${cut}" stroke-width="1.5" stroke-dasharray="5 4"/>`,
    `<circle cx="${x(sparse).toFixed(1)}" cy="${yAccuracy(atCut).toFixed(1)}" r="4.5" fill="${cut}"/>`,
    label(
      ACCURACY.top + ACCURACY.height - 8,
      cut,
      `right after the cut: ${(100 * atCut).toFixed(2)} (before: ${(100 * stage(records, 'regularized')).toFixed(2)})`,
    ),
    `<text x="${((LEFT + x(sparse)) / 2).toFixed(1)}" y="${HEIGHT - 14}" text-anchor="middle" fill="${quiet}">regularized, ${sparse} epochs</text>`,
    `<text x="${((WIDTH - RIGHT + x(sparse)) / 2).toFixed(1)}" y="${HEIGHT - 14}" text-anchor="middle" fill="${quiet}">half of the MACs, ${epochs.length - sparse} epochs</text>`,
    '</svg>',
    '',
  ].join('\n')
}

/** @param {readonly RunRecord[]} records @param {string} name @returns {number} */
const stage = (records, name) =>
  records.find((record) => record.kind === 'evaluation' && record.stage === name)?.evaluation.accuracy

/** Over the groups that lose units, means of the logarithms. @param {RunRecord} record */
function sizesOf({ groups }) {
  const both = groups.filter((/** @type {any} */ { kept, chosen }) => kept > 0 && chosen > 0)
  const middle = (/** @type {'kept' | 'chosen'} */ which) =>
    10 ** mean(both.map((/** @type {any} */ group) => Math.log10(group[which])))
  return { kept: middle('kept'), chosen: middle('chosen') }
}
