/** How the page looks, in light and dark, on a desk and in a hand: figures first, one accent. */
export const STYLE = `
:root{--back:#fff;--card:#f6f8fa;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--accent:#0969da}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--card:#151b23;--text:#f0f6fc;--soft:#9198a1;--line:#3d444d;--accent:#4493f8}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif;-webkit-text-size-adjust:100%}
header,main{max-width:72rem;margin:0 auto;padding:0 1rem}
main{padding-bottom:3rem}
h1{font-size:1.5rem;line-height:1.25;margin:1.75rem 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.25rem 0 .6rem}
h3{font-size:.9rem;margin:1rem 0 .3rem;color:var(--soft);font-weight:600}
p{margin:.25rem 0 .75rem}
.soft,small{color:var(--soft)}
.running{color:var(--accent)}.stopped{font-weight:600;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.75rem;margin-top:1.25rem}
.figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem;min-width:0;font-variant-numeric:tabular-nums}
.figure b{display:block;font-size:1.55rem;line-height:1.3;letter-spacing:-.01em;overflow-wrap:anywhere}
.figure span{display:block;color:var(--soft);font-size:.85rem}
.bar{background:var(--line);border-radius:3px;height:.45rem;min-width:4rem;overflow:hidden}
.figure .bar{margin-top:.5rem}
.bar i{display:block;background:var(--accent);height:100%}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));gap:1.25rem}
.chart{min-width:0;overflow:hidden}
.u-legend{color:var(--text);font-variant-numeric:tabular-nums;font-size:.85rem}
.u-legend .u-series th{padding:2px 4px}
.scroll{overflow:auto;max-height:32rem}
.scroll table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.scroll .wide{width:100%}
.scroll th,.scroll td{text-align:left;padding:.3rem .9rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.scroll th{font-weight:600;color:var(--soft);font-size:.85rem;position:sticky;top:0;background:var(--back);white-space:nowrap}
.scroll .number{text-align:right;white-space:nowrap}
td.in{overflow-wrap:anywhere;min-width:7rem}
td .bar{margin-top:.5rem}
td button{font:inherit;color:var(--accent);background:none;border:0;padding:0;cursor:pointer;text-decoration:underline dotted;text-underline-offset:.2em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem;margin:0;overflow:auto;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace;tab-size:2}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.25rem;margin:0 0 .75rem;font-variant-numeric:tabular-nums}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0}
summary{cursor:pointer;color:var(--accent);margin:.25rem 0 .5rem}
@media(max-width:40rem){.kind,.part{display:none}.scroll th,.scroll td{padding-right:.6rem}.figure b{font-size:1.3rem}.figures{grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}.figure{padding:.6rem .7rem}}
`
