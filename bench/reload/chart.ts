// A chart of requests lost, as SVG: readable on light and dark pages, no script, no font of its own.

/** Bars of several panels, a line for each way to do it. */
export interface Chart {
  title: string;
  /** Under the title. */
  about: string;
  panels: string[];
  lines: Line[];
}

export interface Line {
  name: string;
  ours: boolean;
  /** Requests lost each time, on average, by panel; undefined: not measured. */
  lost: (number | undefined)[];
}

const WIDTH = 940;
const NAMES = 350;
const BARS = 560;
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

/** @returns the SVG's text */
export function drawChart({ title, about, panels, lines }: Chart): string {
  const width = (BARS - GAP * (panels.length - 1)) / panels.length;
  const leftOf = (panel: number) => NAMES + GAP + panel * (width + GAP);
  const height = TOP + lines.length * LINE + 14;
  const longest = panels.map((_, panel) => Math.max(0, ...lines.map(({ lost }) => lost[panel] ?? 0)));
  const headings = panels.map((name, panel) => {
    const x = leftOf(panel);
    return `<text class="small" x="${x}" y="68">${name}</text><path class="axis" d="M${x - 0.5} 74V${height - 10}"/>`;
  });
  const rows = lines.map(({ name, ours, lost }, at) => {
    const y = TOP + at * LINE;
    const emphasis = ours ? ' class="ours"' : '';
    const label = `<text${emphasis} x="${NAMES}" y="${y + 11}" text-anchor="end">${escaped(name)}</text>`;
    const bars = lost.map((each, panel) => {
      if (each === undefined) return '';
      const share = longest[panel] === 0 ? 0 : each / (longest[panel] ?? 1);
      return bar({ lost: each, ours, x: leftOf(panel), y, width: share * (width - FIGURE) });
    });
    return [label, ...bars].join('\n  ');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
  <style>${STYLE}
  </style>
  <rect class="page" width="${WIDTH}" height="${height}" rx="6"/>
  <text class="title" x="20" y="28">${escaped(title)}</text>
  <text class="small" x="20" y="47">${escaped(about)}</text>
  ${headings.join('\n  ')}
  ${rows.join('\n  ')}
</svg>
`;
}

interface Bar {
  lost: number;
  ours: boolean;
  x: number;
  y: number;
  width: number;
}

function bar({ lost, ours, x, y, width }: Bar): string {
  const shown = lost === 0 ? 0 : Math.max(1.5, width);
  const emphasis = ours ? ' ours' : '';
  const rect = `<rect class="bar${emphasis}" x="${x}" y="${y}" width="${shown.toFixed(1)}" height="${BAR}"/>`;
  return `${rect}<text class="small${emphasis}" x="${(x + shown + 6).toFixed(1)}" y="${y + 11}">${figure(lost)}</text>`;
}

function figure(lost: number): string {
  return lost === 0 ? '0' : lost < 10 ? lost.toFixed(lost < 1 ? 2 : 1) : lost.toFixed(0);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
