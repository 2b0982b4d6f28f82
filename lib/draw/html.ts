import type { Analysis } from '../groups/index.js'
import { escapeXml, fill } from './svg.js'

/** The image in a page that needs nothing else: a list of groups beside it; to point at one is to see where it is. */
export function htmlOf(svg: string, { groups, coverage }: Analysis, title: string): string {
  const items = groups.map(
    ({ id, kind, size, scopes }) =>
      `<li data-group="${id}"><b style="background:${fill(id)}">${id}</b> ${size} ${kind}` +
      `<small>${escapeXml(scopes.slice(0, 4).join(', '))}${scopes.length > 4 ? ` and ${scopes.length - 4} more` : ''}</small></li>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeXml(title)}</title>
<style>
body{margin:0;display:flex;height:100vh;font:13px system-ui,sans-serif;color:#222}
nav{width:22rem;overflow:auto;border-right:1px solid #ccc;padding:0 1rem;box-sizing:border-box}
main{flex:1;overflow:auto}
ul{list-style:none;padding:0}li{padding:.2rem;cursor:pointer}li small{display:block;color:#666;overflow-wrap:anywhere}
li b{display:inline-block;min-width:2em;text-align:center;border-radius:3px}
label{display:block;margin:.5rem 0}
.faded .box:not(.lit){opacity:.2}.faded .arrow{opacity:.2}li.lit{background:#eef}
</style></head><body>
<nav><h1>${escapeXml(title)}</h1>
<p>${(100 * coverage).toFixed(1)} % of the parameters have a dimension that can be pruned. Grey boxes are frozen.</p>
<label>Zoom <input id="zoom" type="range" min="10" max="200" value="100"></label>
<ul>${items.join('\n')}</ul></nav>
<main>${svg}</main>
<script>
const svg = document.querySelector('main svg'), [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value]
document.getElementById('zoom').addEventListener('input', (event) => {
  svg.setAttribute('width', width * event.target.value / 100)
  svg.setAttribute('height', height * event.target.value / 100)
})
const all = document.querySelectorAll('[data-group]')
const show = (group) => {
  svg.classList.toggle('faded', group !== '')
  for (const each of all) each.classList.toggle('lit', group !== '' && each.dataset.group === group)
}
for (const each of all) {
  each.addEventListener('mouseenter', () => show(each.dataset.group))
  each.addEventListener('mouseleave', () => show(''))
}
for (const item of document.querySelectorAll('li')) {
  item.addEventListener('click', () => svg.querySelector('.lit')?.scrollIntoView({ block: 'center', inline: 'center' }))
}
</script></body></html>
`
}
