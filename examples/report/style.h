// How the reports' pages look.
#pragma once

#include <string_view>

namespace tapegrad::report {

inline constexpr std::string_view style = R"css(
:root {
  color-scheme: light dark;
  --page: #ffffff; --text: #1c1e21; --soft: #5b6168; --line: #d9dce0; --shade: #f5f6f7;
  --link: #005f9e; --good: #00694d; --bad: #a83a00; --warn: #7a5600;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #16181b; --text: #e4e6e8; --soft: #a0a7ae; --line: #3a3f45; --shade: #202327;
    --link: #7cc0f0; --good: #5fd0a8; --bad: #ff9c66; --warn: #f0c050;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 68rem;
  background: var(--page); color: var(--text); overflow-wrap: break-word;
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1, h2, h3, h4 { line-height: 1.25; text-wrap: balance; break-after: avoid; }
h1 { font-size: 2rem; margin: 0 0 1.5rem; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.12rem; margin: 2rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.5rem 0 .5rem; color: var(--soft); }
p, ul { margin: .75rem 0; max-width: 44rem; }
a { color: var(--link); text-underline-offset: .15em; }
nav { border-left: 3px solid var(--line); padding-left: 1rem; font-size: .94rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav .level2 { padding-left: 1.2em; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
pre {
  overflow-x: auto; padding: .9rem 1rem; border-radius: 6px; background: var(--shade);
  font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.table { overflow-x: auto; margin: 1.5rem 0; }
.table.long { max-height: 80vh; overflow-y: auto; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .5rem; color: var(--soft); }
th, td { padding: .35rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th {
  position: sticky; top: 0; background: var(--page); vertical-align: bottom;
  box-shadow: inset 0 1.5px var(--text), inset 0 -1px var(--text);
}
tbody th { font-weight: 400; }
tbody tr:last-child > * { border-bottom: 1.5px solid var(--text); }
th:first-child, td:first-child { padding-left: .2rem; }
.number { text-align: right; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.neutral { color: var(--soft); }
.sign { font-weight: 700; }
figure { margin: 2rem 0; break-inside: avoid; }
img {
  display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); padding: .4rem;
}
figcaption { margin-top: .6rem; color: var(--soft); font-size: .9rem; max-width: 44rem; }
.summary { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.5rem 0; }
.summary div { background: var(--shade); border-radius: 6px; padding: .8rem 1rem; border-left: 3px solid var(--line); }
.summary .good, .summary .bad, .summary .warn { color: inherit; }
.summary div.good { border-color: var(--good); }
.summary div.bad { border-color: var(--bad); }
.summary div.warn { border-color: var(--warn); }
.summary .good .sign { color: var(--good); }
.summary .bad .sign { color: var(--bad); }
.summary .warn .sign { color: var(--warn); }
.summary dt, .summary dd { margin: 0; color: var(--soft); font-size: .86rem; }
.summary dd.value { color: var(--text); font-size: 1.5rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
@media print {
  :root { color-scheme: light; --page: #fff; --text: #000; --soft: #444; --line: #bbb; --shade: #f5f5f5;
    --link: #000; --good: #00543d; --bad: #8a2f00; --warn: #5c4100; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .table, .table.long, pre { overflow: visible; max-height: none; }
  pre { white-space: pre-wrap; }
  thead { display: table-header-group; }
  thead th { position: static; }
  tr, .summary div { break-inside: avoid; }
  img { border: 0; padding: 0; }
  a { text-decoration: none; }
}
)css";

}  // namespace tapegrad::report
