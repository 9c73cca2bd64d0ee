// The chart of requests lost, as SVG: readable on light and dark pages, no script, no font of its own.

import { DEFAULT_KILL_TIMEOUT_MS } from './candidates.ts';
import type { Load, RowFigures } from './rows.ts';
import { isShown, sorted } from './tables.ts';

const WIDTH = 940;
const NAMES = 350;
const PANEL = 270;
const GAP = 20;
const LINE = 24;
const BAR = 14;
const TOP = 78;
/** What a bar's figure needs behind its longest bar. */
const FIGURE = 52;

const STYLE = `
    .page { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif }
    .title { font-size: 16px; font-weight: 600 } .small { fill: #59636e; font-size: 12px }
    .ours { font-weight: 600 } .bar { fill: #8c959f } .bar.ours { fill: #1a7f37 } .axis { stroke: #d1d9e0 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 } text { fill: #f0f6fc } .small { fill: #9198a1 } .bar { fill: #6e7681 }
      .bar.ours { fill: #3fb950 } .axis { stroke: #3d444d }
    }`;

/** @param about what was done, for the line under the title */
export function chart(all: RowFigures[], about: string): string {
  const panels = PANELS.filter(({ load }) => isShown(all, load));
  const busy = sorted(all.filter(({ load }) => load === 'busy'));
  const height = TOP + busy.length * LINE + 14;
  const rows = busy.map((row, at) => {
    const y = TOP + at * LINE;
    const emphasis = row.ours ? ' class="ours"' : '';
    const name = `<text${emphasis} x="${NAMES}" y="${y + 11}" text-anchor="end">${escaped(labelOf(row))}</text>`;
    const bars = panels.map(({ load }, panel) => {
      const of = all.find((other) => other.load === load && other.id === row.id && isDefault(other));
      return of === undefined ? '' : bar(of, panel, y, largest(all, load));
    });
    return [name, ...bars].join('\n  ');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Requests lost while reloading">
  <style>${STYLE}
  </style>
  <rect class="page" width="${WIDTH}" height="${height}" rx="6"/>
  <text class="title" x="20" y="28">Requests lost in a reload</text>
  <text class="small" x="20" y="47">${escaped(`on average; ${about}, kill_timeout ${DEFAULT_KILL_TIMEOUT_MS} ms; shorter is better`)}</text>
  ${panels.map((panel, at) => heading(panel, at, height)).join('\n  ')}
  ${rows.join('\n  ')}
</svg>
`;
}

const PANELS: { load: Load; name: string }[] = [
  { load: 'busy', name: 'busy clients' },
  { load: 'pausing', name: 'clients pause for 0 to 3 s' },
];

function heading({ name }: { name: string }, panel: number, height: number): string {
  const x = leftOf(panel);
  return `<text class="small" x="${x}" y="68">${name}</text><path class="axis" d="M${x - 0.5} 74V${height - 10}"/>`;
}

function bar(row: RowFigures, panel: number, y: number, longest: number): string {
  const lost = row.failed / row.reloads;
  const width = longest === 0 ? 0 : (lost / longest) * (PANEL - FIGURE);
  const shown = row.failed === 0 ? 0 : Math.max(1.5, width);
  const emphasis = row.ours ? ' ours' : '';
  const rect = `<rect class="bar${emphasis}" x="${leftOf(panel)}" y="${y}" width="${shown.toFixed(1)}" height="${BAR}"/>`;
  return `${rect}<text class="small${emphasis}" x="${(leftOf(panel) + shown + 6).toFixed(1)}" y="${y + 11}">${figure(lost)}</text>`;
}

function figure(lost: number): string {
  return lost === 0 ? '0' : lost < 10 ? lost.toFixed(lost < 1 ? 2 : 1) : lost.toFixed(0);
}

function leftOf(panel: number): number {
  return NAMES + GAP + panel * (PANEL + GAP);
}

function largest(all: RowFigures[], load: Load): number {
  return Math.max(
    0,
    ...all.filter((row) => row.load === load && isDefault(row)).map((row) => row.failed / row.reloads),
  );
}

function isDefault({ killTimeoutMs }: RowFigures): boolean {
  return killTimeoutMs === DEFAULT_KILL_TIMEOUT_MS;
}

function labelOf({ name, by }: RowFigures): string {
  return by === 'pm2 reload' ? name : `${name} (${by})`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
