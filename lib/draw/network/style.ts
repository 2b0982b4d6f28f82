/** How a drawing and its controls look. The page that holds it sets the colours: back, card, text, soft, line, accent. */
export const STYLE = `
.network{display:flex;flex-direction:column;min-width:0}
.network .tools{display:flex;flex-wrap:wrap;gap:.4rem;align-items:center;margin:0 0 .5rem}
.network .tools input{flex:1 1 9rem;min-width:0;max-width:18rem}
.network button,.network input{font:inherit;font-size:.85rem;color:var(--text);background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.2rem .6rem}
.network button{cursor:pointer}.network button:disabled{opacity:.5;cursor:default}
.network .found{color:var(--soft);font-size:.85rem}
.network .unfolded{display:flex;flex-wrap:wrap;gap:.3rem;max-height:3.3rem;overflow:auto;margin:0 0 .5rem}
.network .unfolded:empty{display:none}
.network .unfolded button{font-size:.75rem;padding:.05rem .5rem;color:var(--soft);background:none;border-radius:1rem;overflow-wrap:anywhere}
.network svg{display:block;width:100%;height:min(75vh,44rem);border:1px solid var(--line);border-radius:8px;background:var(--back);touch-action:none;cursor:grab}
.network svg:focus-visible,.network .box:focus-visible rect{outline:2px solid var(--accent)}
.network text{font:12px ui-monospace,Menlo,Consolas,monospace;text-anchor:middle;fill:var(--text);user-select:none}
.network .name{font-weight:700}
.network .box rect{fill:var(--card);stroke:var(--soft)}
.network .box.end rect{fill:var(--back);stroke-dasharray:4 3}
.network .box.folded{cursor:pointer}
.network .box.folded rect{fill:var(--card);stroke:var(--accent)}
.network .box.grouped rect{fill:hsl(var(--hue) 70% 90%);stroke:hsl(var(--hue) 40% 50%)}
@media(prefers-color-scheme:dark){.network .box.grouped rect{fill:hsl(var(--hue) 35% 20%);stroke:hsl(var(--hue) 40% 50%)}}
.network .box.match rect{stroke:var(--accent);stroke-width:3}
.network .faded .box:not(.lit){opacity:.25}.network .faded .arrow{opacity:.25}
.network .arrow{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-linejoin:round}
.network marker path{fill:var(--soft)}
`
