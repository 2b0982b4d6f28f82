import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { escapeXml } from '../svg.js'
import { CLIENT } from './client.js'
import type { Network } from './data.js'
import { LAYOUT } from './layout.js'

/** Where a drawing goes in a page, with what moves it. */
export const pane = (title: string): string => `<div class="network" id="network">
<div class="tools"><button class="less" aria-label="smaller">−</button><button class="more" aria-label="larger">+</button>
<button class="fit">Fit</button><button class="fold">Fold all</button><button class="unfold">Unfold all</button>
<input type="search" placeholder="Search; Enter goes there" aria-label="search"><span class="found" role="status"></span></div>
<div class="unfolded"></div>
<svg tabindex="0" role="group" aria-label="${escapeXml(title)}"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs><g class="stage"></g></svg>
</div>`

/** The scripts that draw it: the last elements of a page. */
export const scripts = (network: Network): string => `<script>${dagre()}</script>
<script type="application/json" id="network-data">${embedded(network)}</script>
<script>${LAYOUT}${CLIENT}
drawNetwork(document.getElementById('network'), JSON.parse(document.getElementById('network-data').textContent))
</script>`

/** JSON that can't end the element that it is in. */
export const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c')

/** The layout library, as browsers run it. */
function dagre(): string {
  const main = createRequire(import.meta.url).resolve('@dagrejs/dagre')
  return readFileSync(join(dirname(main), 'dagre.min.js'), 'utf8')
}
