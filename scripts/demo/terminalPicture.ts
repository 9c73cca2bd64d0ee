// Draws what a command printed as a terminal in an SVG: each line appears at its time, once. Where nothing moves (a viewer
// without CSS, a reader who asked for less motion) the picture shows the last moment.

/** One printed line, and when it was printed. */
export interface TimedLine {
  text: string;
  atMs: number;
}

const CHARACTER_WIDTH = 8.4;
const LINE_HEIGHT = 20;
const MARGIN = 20;
/** Nobody wants to watch an installation: a longer wait is cut to this. */
const LONGEST_WAIT_MS = 1_600;
/** A reader needs a moment for each line, also for those that came in one go. */
const SHORTEST_WAIT_MS = 120;

const STYLE = `
    text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d4d4d8; white-space: pre; }
    .bold { font-weight: 700; fill: #fafafa; }
    .good { fill: #4ade80; }
    .bad { fill: #f87171; }
    .dim { fill: #9ca3af; }
    @keyframes appear { from { opacity: 0; } }
    @media (prefers-reduced-motion: no-preference) { text { animation: appear 1ms linear backwards; } }
  `;

/** An SVG picture of these lines; `title` is what a screen reader says of it. */
export function terminalPicture(lines: readonly TimedLine[], title: string): string {
  const width = Math.ceil(Math.max(...lines.map(({ text }) => text.length)) * CHARACTER_WIDTH) + 2 * MARGIN;
  const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
  const times = shownAt(lines);
  const texts = lines.map(({ text }, at) => {
    const y = MARGIN + (at + 0.75) * LINE_HEIGHT;
    return `  <text x="${MARGIN}" y="${y}" style="animation-delay:${Math.round(times[at]!)}ms">${painted(text)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `  <title>${escaped(title)}</title>`,
    `  <style>${STYLE}</style>`,
    `  <rect width="${width}" height="${height}" rx="8" fill="#18181b"/>`,
    ...texts,
    '</svg>',
    '',
  ].join('\n');
}

/** When each line appears: as it was printed, with long waits cut short and lines of one moment spread out. */
function shownAt(lines: readonly TimedLine[]): number[] {
  let shownMs = 0;
  return lines.map(({ atMs }, at) => {
    const waitMs = at === 0 ? 0 : atMs - lines[at - 1]!.atMs;
    if (at > 0) shownMs += Math.min(LONGEST_WAIT_MS, Math.max(SHORTEST_WAIT_MS, waitMs));
    return shownMs;
  });
}

/** The demo prints plain text when it is not on a terminal; these are the colours that it has there. */
function painted(text: string): string {
  const step = /^([✔✘]) (.*?)( {2}[\d.]+ m?s)?$/.exec(text);
  if (step !== null) {
    const [, mark = '', what = '', took = ''] = step;
    return `${span(mark === '✔' ? 'good' : 'bad', mark)} ${escaped(what)}${took === '' ? '' : span('dim', took)}`;
  }
  if (/^None of [\d,]+ requests failed\.$/.test(text)) return span('good', text);
  if (/requests failed\.$/.test(text)) return span('bad', text);
  if (/^(\$ |pm2-ops demo|What the clients saw)/.test(text)) return span('bold', text);
  if (/^ {4}\S|^ {2}meanwhile /.test(text)) return span('dim', text);
  return escaped(text);
}

function span(className: string, text: string): string {
  return `<tspan class="${className}">${escaped(text)}</tspan>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
}
