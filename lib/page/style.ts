/** How the page looks, in light and dark, on a desk and in a hand. */
export const STYLE = `
:root{--back:#fff;--card:#f6f8fa;--text:#1f2328;--soft:#59636e;--line:#d1d9e0;--first:#0969da;--second:#1a7f37;--warn:#cf222e}
@media(prefers-color-scheme:dark){:root{--back:#0d1117;--card:#151b23;--text:#f0f6fc;--soft:#9198a1;--line:#3d444d;--first:#4493f8;--second:#3fb950;--warn:#f85149}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
header,main{max-width:70rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.6rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem}
.running{color:var(--second)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem}
.figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem}
.figure b{display:block;font-size:1.5rem;font-variant-numeric:tabular-nums}
.figure span,.soft,small{color:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(20rem,100%),1fr));gap:1rem}
.chart{min-width:0;overflow:hidden}
.u-legend{color:var(--text)}
.scroll{overflow:auto;max-height:32rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.number,th.number{text-align:right}
td.in{overflow-wrap:anywhere;min-width:12rem}
.bar{background:var(--line);border-radius:3px;height:.7rem;min-width:5rem;margin-top:.4rem}
.bar i{display:block;background:var(--second);border-radius:3px;height:100%}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.75rem 1rem;overflow:auto;font:13px/1.5 ui-monospace,Menlo,Consolas,monospace}
.drawing{overflow:auto;max-height:80vh;border:1px solid var(--line);border-radius:8px}
.drawing .found rect{stroke:var(--warn);stroke-width:3}
label{margin-right:1rem}
summary{cursor:pointer}
`
