/** The look of a report: by the reader's preference light or dark on a screen, and always light on paper. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f5f7f9; --line: #d5dbe1; --ink: #1c2127; --dim: #57606a; --link: #0a58b5; --shade: #0003;
  --ok: #17702f; --warning: #875100; --error: #b3121d;
  --group: #f4f6fa; --dns: #eaf5ea; --frontend: #fff6d8; --slice: #eaf1ff; --pod: #f2ecfb; --stroke: #55607a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #11151a; --panel: #191f26; --line: #343c46; --ink: #e4e8ec; --dim: #9aa4af; --link: #7ab4ff; --shade: #000a;
    --ok: #5fd07e; --warning: #e8b54a; --error: #ff8a85;
    --group: #161b22; --dns: #16291b; --frontend: #2e2710; --slice: #17243b; --pod: #251d36; --stroke: #8a96ad;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
body { max-width: 76rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2.5rem) 3rem; overflow-wrap: anywhere; }
code, .path, .evidence, .command, td, tbody th { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .8125rem; }
p { margin: .35rem 0; }
a { color: var(--link); }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.25rem 0 .4rem; font-size: 1.02rem; }
h4 { margin: 1rem 0 .2rem; font-size: .9rem; }
h5 { margin: 1.1rem 0 .3rem; font-size: .9rem; color: var(--dim); }
h6 { margin: .8rem 0 .2rem; font-size: .875rem; font-weight: 600; }
.ok { color: var(--ok); } .warning { color: var(--warning); } .error { color: var(--error); } .dim { color: var(--dim); }
.kind { margin: 0; color: var(--dim); }
.verdict { display: inline-block; margin: .6rem 0; padding: .25rem .8rem; border: 2px solid currentColor; border-radius: .5rem; font-size: 1.15rem; font-weight: 700; }
.path { padding: .5rem .75rem; border-radius: .4rem; background: var(--panel); font-size: .9rem; }
.path:empty { display: none; }
.age { color: var(--dim); }
.conditions { display: grid; gap: .25rem; margin: .9rem 0 0; }
.conditions > div { display: grid; grid-template-columns: 6.5rem 1fr; gap: .5rem; }
.conditions dt { font-weight: 600; }
.conditions dd { display: flex; gap: .5rem; margin: 0; }
.conditions dd > span { flex: none; width: 5.5rem; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1.5rem 0 0; padding: .6rem 0; border-block: 1px solid var(--line); list-style: none; }
.finding { margin: 0 0 1rem; padding: .8rem 1.1rem 1rem; border: 1px solid var(--line); border-left: .4rem solid var(--dim); border-radius: .4rem; background: var(--panel); }
.finding.error { border-left-color: var(--error); } .finding.warning { border-left-color: var(--warning); }
.finding, .finding.warning, .finding.error { color: var(--ink); }
.finding h3 { margin-top: 0; }
.finding .where { color: var(--dim); font-weight: 400; }
.evidence { margin: 0; padding-left: 1.2rem; }
.command { margin: .3rem 0 0; padding: .45rem .7rem; border: 1px solid var(--line); border-radius: .3rem; background: var(--paper); white-space: pre-wrap; overflow-wrap: anywhere; }
.prompt { color: var(--dim); user-select: none; }
details > summary { cursor: pointer; }
.finding details { margin-top: .7rem; color: var(--dim); font-size: .875rem; }
.program { margin: 0 0 .6rem; padding: .5rem .9rem; border: 1px solid var(--line); border-radius: .4rem; }
.program > summary > h3 { display: inline; }
.rules { margin: 0; padding-left: 2rem; font-size: .9rem; }
.rules > li { margin: .35rem 0; }
.rules p { margin: .1rem 0; }
.rules code { color: var(--dim); }
.lines, .notes { margin: .35rem 0; padding: 0; list-style: none; }
.scroll {
  overflow-x: auto; margin: .5rem 0; border: 1px solid var(--line); border-radius: .4rem;
  /* A shadow at the side to which there is more: the covers move with the content, the shadows do not. */
  background:
    linear-gradient(to right, var(--paper) 40%, transparent) left / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 1rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 1rem 100% no-repeat scroll;
}
.scroll:focus-visible, summary:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; overflow-wrap: normal; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; white-space: nowrap; }
.long { min-width: 20rem; white-space: normal; overflow-wrap: anywhere; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--dim); font-size: .75rem; letter-spacing: .03em; }
tbody th { font-weight: 600; }
.right { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 0; }
figcaption { color: var(--dim); font-size: .875rem; }
.picture svg { display: block; }
figure:has(.fit :checked) svg { width: 100%; height: auto; }
.fit { font-size: .875rem; }
.picture .paper { fill: var(--paper); }
.picture svg > .paper { fill: none; }
.picture text { fill: var(--ink); }
.picture text.group-title, .picture text.label { fill: var(--dim); }
.picture text.mark { fill: var(--error); }
.picture .group { fill: var(--group); stroke: var(--line); }
.picture .arrow { stroke: var(--stroke); } .picture .tip { fill: var(--stroke); }
.picture .box { fill: var(--paper); stroke: var(--stroke); }
.picture .box.dns { fill: var(--dns); } .picture .box.frontend { fill: var(--frontend); } .picture .box.endpointSlice { fill: var(--slice); } .picture .box.pod { fill: var(--pod); }
.picture .box.warning { stroke: var(--warning); } .picture .box.error { stroke: var(--error); }
footer { margin-top: 3rem; padding-top: .8rem; border-top: 1px solid var(--line); color: var(--dim); font-size: .875rem; }
@media (max-width: 40rem) {
  h1 { font-size: 1.6rem; }
  .conditions > div { grid-template-columns: 1fr; gap: 0; margin-bottom: .35rem; }
  .finding, .program { padding-inline: .8rem; }
  .rules { padding-left: 1.5rem; }
}
@page { size: A4; margin: 14mm 12mm; }
@page wide { size: A4 landscape; margin: 10mm; }
@media print {
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  nav, .fit { display: none; }
  .scroll { overflow: visible; border: 0; background: none; }
  table { font-size: 7.5pt; }
  code, td, tbody th { font-size: 7.5pt; }
  thead { display: table-header-group; }
  th, td { padding: 2pt 4pt; white-space: normal; overflow-wrap: anywhere; }
  .whole { white-space: nowrap; }
  .long { min-width: 0; }
  thead th { font-size: 6.5pt; overflow-wrap: normal; }
  tr, .finding, .rules > li { break-inside: avoid; }
  h2, h3, h4, h5, h6, summary { break-after: avoid; }
  #picture, #nodes { page: wide; }
  .picture svg { width: 100%; height: auto; max-height: 160mm; }
  details::details-content { content-visibility: visible; block-size: auto; }
  .program { border: 0; padding: 0; }
  summary { list-style: none; }
  a { color: inherit; text-decoration: none; }
}
`;
