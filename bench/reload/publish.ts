// Says what was measured, and writes it down: the figures as JSON, and from those the tables and the chart that the
// project shows. Rendering needs nothing else, so that it can be done again without measuring.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../testkit/folders.ts';
import type { Machine } from '../support/machine.ts';
import { machineLine } from '../support/machine.ts';
import { type Goal, report } from '../support/report.ts';
import { DEFAULT_KILL_TIMEOUT_MS } from './candidates.ts';
import { type Chart, drawChart } from './chart.ts';
import { PAGE, write, writeBetweenMarks } from './page.ts';
import type { Load, Row, RowFigures } from './rows.ts';
import { details, isShown, overview, sorted, type Table, toMarkdown } from './tables.ts';

const RESULTS = join(ROOT, 'bench', 'results');
/** A reload takes at most so many times one of an app without a handler. */
const SECONDS_LIMIT = 1.15;
/** A process leaves within so many milliseconds of its last answer, less what the system takes to end one that is killed. */
const LEAVING_LIMIT_MS = 50;
/** The README shows the chart, too. */
const CHART = join(ROOT, 'docs', 'pictures', 'reload.svg');
/** Between these lines the page has the table that is made here. */
const MARKS = ['<!-- made by npm run bench:reload -->', '<!-- end of what npm run bench:reload made -->'] as const;

interface Saved {
  machine: Machine;
  options: { clients: number; answer: number };
  figures: { rows: RowFigures[] };
}

export function publish(machine: Machine, options: Record<string, number | string | boolean>, rows: Row[]): void {
  const measured = rows.map((row) => row.figures());
  const kept = options.load === 'both' ? [] : savedRows().filter(({ load }) => load !== options.load);
  const figures = [...measured, ...kept];
  report({
    name: 'reload',
    machine,
    options,
    sections: details(figures),
    goals: goalsOf(figures),
    figures: { rows: figures },
  });
  // A run of a few candidates is not the comparison that the project shows.
  if (options.only === '') render();
}

/** What an earlier run has measured. */
function savedRows(): RowFigures[] {
  const file = join(RESULTS, 'reload.json');
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, 'utf8')) as Saved).figures.rows;
}

/** Tables and chart from bench/results/reload.json. */
export function render(): void {
  const file = join(RESULTS, 'reload.json');
  if (!existsSync(file)) throw new Error(`${file} does not exist: measure first`);
  const { machine, options, figures } = JSON.parse(readFileSync(file, 'utf8')) as Saved;
  const reloads = `${reloadsOf(figures.rows, 'busy')} reloads of each with busy clients, ${reloadsOf(figures.rows, 'pausing')} with clients that pause`;
  const facts = `${machineLine(machine)}; ${options.clients} clients, an answer takes ${options.answer} ms; ${reloads}.`;
  mkdirSync(RESULTS, { recursive: true });
  write(CHART, drawChart(chartOf(figures.rows, reloads)));
  const tables = details(figures.rows).map(section).join('\n\n');
  write(join(RESULTS, 'reload.md'), `# Reloads: all figures\n\n${facts}\n\n${tables}\n`);
  writeBetweenMarks(PAGE, MARKS, `${toMarkdown(overview(figures.rows))}\n\n${facts}`);
}

const PANELS: { load: Load; name: string }[] = [
  { load: 'busy', name: 'busy clients' },
  { load: 'pausing', name: 'clients pause for 0 to 3 s' },
];

/** What each lost with PM2's own kill_timeout. */
function chartOf(all: RowFigures[], reloads: string): Chart {
  const rows = all.filter(({ killTimeoutMs }) => killTimeoutMs === DEFAULT_KILL_TIMEOUT_MS);
  const panels = PANELS.filter(({ load }) => isShown(all, load));
  return {
    title: 'Requests lost in a reload',
    about: `on average; ${reloads}, kill_timeout ${DEFAULT_KILL_TIMEOUT_MS} ms; shorter is better`,
    panels: panels.map(({ name }) => name),
    lines: sorted(rows.filter(({ load }) => load === 'busy')).map(({ id, name, by, ours }) => ({
      name: by === 'pm2 reload' ? name : `${name} (${by})`,
      ours,
      lost: panels.map(({ load }) => lostEach(rows.find((row) => row.load === load && row.id === id))),
    })),
  };
}

/** Requests lost in a reload, on average. */
export function lostEach(row: RowFigures | undefined): number | undefined {
  return row && row.failed / row.reloads;
}

/** How many there were; when the time is over, rows may differ. */
function reloadsOf(rows: RowFigures[], load: Load): string {
  const counts = rows.filter((row) => row.load === load).map((row) => row.reloads);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least} to ${most}`;
}

function section({ title, ...table }: Table & { title: string }): string {
  return `## ${title}\n\n${toMarkdown(table)}`;
}

function goalsOf(rows: RowFigures[]): Goal[] {
  const ours = rows.filter((row) => row.ours);
  const unhandled = rows.find(({ id, load }) => id === 'none' && load === 'busy');
  const none = unhandled?.seconds.median;
  const killedMs = unhandled?.leavingMs?.median;
  return ours.flatMap(({ name, by, load, failed, seconds, killTimeoutMs, leavingMs }): Goal[] => {
    const who = `${name} (${by})`;
    if (load === 'pausing') {
      if (by === 'pm2 reload' && killTimeoutMs === DEFAULT_KILL_TIMEOUT_MS) return [];
      const what = `lost, clients pause, kill_timeout ${killTimeoutMs}: ${who}`;
      return [{ what, value: failed, limit: 0, unit: '' }];
    }
    const goals: Goal[] = [{ what: `lost, busy clients: ${who}`, value: failed, limit: 0, unit: '' }];
    if (none !== undefined && by === 'pm2 reload') {
      const what = `seconds a reload takes, to no handler: ${who}`;
      goals.push({ what, value: seconds.median / none, limit: SECONDS_LIMIT, unit: '' });
    }
    if (leavingMs !== undefined && killedMs !== undefined && by === 'pm2 reload') {
      const what = `from the last answer to the end, beyond that of one that is killed (medians): ${who}`;
      goals.push({ what, value: leavingMs.median - killedMs, limit: LEAVING_LIMIT_MS, unit: 'ms' });
    }
    return goals;
  });
}
