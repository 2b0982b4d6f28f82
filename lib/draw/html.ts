import type { Plan } from '../cut/index.js'
import type { Analysis } from '../groups/index.js'
import { networkOf } from './network/data.js'
import { pane, scripts } from './network/pane.js'
import { STYLE } from './network/style.js'
import { escapeXml, hue } from './svg.js'

/** A page that needs nothing else: the network, which folds and unfolds, beside a list of groups; to point at one is to see where it is. */
export function htmlOf(analysis: Analysis, plan: Plan | undefined, title: string): string {
  const { groups, coverage } = analysis
  const gone = new Map(plan?.removed.map(({ group, units }) => [group, units.length]))
  const items = groups.map(({ id, kind, size, scopes }) => {
    const left = size - (gone.get(id) ?? 0)
    const more = scopes.length > 4 ? ` and ${scopes.length - 4} more` : ''
    return (
      `<li><button data-group="${id}" style="--hue:${hue(id)}"><b>${id}</b> ${left === size ? size : `${size} → ${left}`} ${escapeXml(kind)}` +
      `<small>${escapeXml(scopes.slice(0, 4).join(', '))}${more}</small></button></li>`
    )
  })
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${escapeXml(title)}</title>
<style>${PAGE}${STYLE}</style></head><body>
<main>${pane(title)}</main>
<nav><h1>${escapeXml(title)}</h1>
<p>${(100 * coverage).toFixed(1)} % of the parameters have a dimension that can be pruned. Grey boxes are frozen.</p>
<ul>${items.join('\n')}</ul></nav>
${scripts(networkOf(analysis, plan))}
</body></html>
`
}

const PAGE = `
:root{--back:#fff;--card:#f6f8fa;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--accent:#0969da}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--card:#151b23;--text:#f0f6fc;--soft:#9198a1;--line:#3d444d;--accent:#4493f8}}
*{box-sizing:border-box}
body{margin:0;display:flex;flex-direction:row-reverse;height:100vh;background:var(--back);color:var(--text);font:14px/1.45 system-ui,sans-serif}
nav{flex:0 0 21rem;overflow:auto;border-right:1px solid var(--line);padding:0 1rem}
main{flex:1;min-width:0;padding:.75rem;display:flex}
main .network{flex:1}main .network svg{flex:1;height:auto;min-height:0}
h1{font-size:1.2rem;overflow-wrap:anywhere}
ul{list-style:none;padding:0;margin:0 0 1rem;font-variant-numeric:tabular-nums}
li button{display:block;width:100%;text-align:left;font:inherit;color:inherit;background:none;border:0;border-radius:6px;padding:.25rem;cursor:pointer}
li button:hover,li button:focus-visible{background:var(--card)}
li small{display:block;color:var(--soft);overflow-wrap:anywhere}
li b{display:inline-block;min-width:2.2em;text-align:center;border-radius:4px;background:hsl(var(--hue) 70% 90%)}
@media(prefers-color-scheme:dark){li b{background:hsl(var(--hue) 35% 25%)}}
@media(max-width:50rem){body{display:block;height:auto}main{height:75vh}nav{border:0}}
`
