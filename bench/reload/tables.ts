// The figures as tables: all of them, and the few that the benchmarks page shows.

import { DEFAULT_KILL_TIMEOUT_MS } from './candidates.ts';
import type { RowFigures } from './rows.ts';
import { FAILURES } from './seen.ts';

export interface Table {
  head: string[];
  rows: string[][];
}

/** Everything, by kind of load. */
export function details(all: RowFigures[]): (Table & { title: string })[] {
  const none = all.find(({ id, load }) => id === 'none' && load === 'busy')?.seconds.median;
  return (['busy', 'pausing'] as const).map((load) => ({
    title: load === 'busy' ? 'Busy clients' : 'Clients that pause for 0 to 3 s between two requests',
    head: [
      'service',
      'reloaded by',
      'kill_timeout',
      'reloads',
      'requests',
      'lost',
      ...FAILURES.map(({ name }) => name),
      'seconds (min … max)',
      ...(load === 'busy' ? ['× no handler'] : []),
      'p50 ms',
      'p99 ms',
      'max ms',
      'leaving ms (p95, max)',
    ],
    rows: all
      .filter((row) => row.load === load)
      .map((row) => [
        row.name,
        row.by,
        row.by.startsWith('pm2') ? String(row.killTimeoutMs) : '',
        row.notSucceeded === 0 ? String(row.reloads) : `${row.reloads}, ${row.notSucceeded} without success`,
        String(row.requests),
        String(row.failed),
        ...FAILURES.map(({ kind }) => String(row.failures[kind] || '')),
        `${row.seconds.median.toFixed(2)} (${row.seconds.min.toFixed(2)} … ${row.seconds.max.toFixed(2)})`,
        ...(load === 'busy' ? [none === undefined ? '' : (row.seconds.median / none).toFixed(2)] : []),
        row.latencyMs.p50.toFixed(1),
        row.latencyMs.p99.toFixed(0),
        row.latencyMs.max.toFixed(0),
        row.leavingMs === undefined
          ? ''
          : `${row.leavingMs.median.toFixed(0)} (${row.leavingMs.p95.toFixed(0)}, ${row.leavingMs.max.toFixed(0)})`,
      ]),
  }));
}

/** Fewer reloads than this say too little to be shown. */
const ENOUGH_RELOADS = 10;

/** Was everybody measured often enough under this load? */
export function isShown(all: RowFigures[], load: RowFigures['load']): boolean {
  const rows = all.filter((row) => row.load === load);
  return rows.length > 0 && rows.every(({ reloads }) => reloads >= ENOUGH_RELOADS);
}

/** A line per candidate. */
export function overview(all: RowFigures[]): Table {
  const pauses = isShown(all, 'pausing');
  // Sorted by what busy clients lost, where they were measured: of two rows with the same key the last one stays.
  const busyLast = (a: RowFigures, b: RowFigures) => Number(a.load === 'busy') - Number(b.load === 'busy');
  const shown = all.filter(({ load }) => load === 'busy' || pauses).toSorted(busyLast);
  const keys = [...new Map(shown.map((row) => [`${row.id} ${row.killTimeoutMs}`, row])).values()];
  const find = (load: RowFigures['load'], { id, killTimeoutMs }: RowFigures) =>
    all.find((row) => row.load === load && row.id === id && row.killTimeoutMs === killTimeoutMs);
  return {
    head: [
      '',
      'reloaded by',
      'lost, busy clients',
      ...(pauses ? ['lost, clients pause 0-3 s'] : []),
      'a reload, busy (s)',
      'longest wait, busy (ms)',
    ],
    rows: sorted(keys).map((row) => {
      const busy = find('busy', row);
      const pausing = find('pausing', row);
      const patient = row.killTimeoutMs === DEFAULT_KILL_TIMEOUT_MS ? '' : `, kill_timeout ${row.killTimeoutMs}`;
      const name = `${row.name}${patient}`;
      return [
        row.ours ? `**${name}**` : name,
        `\`${row.by}\``,
        lostOf(busy),
        ...(pauses ? [lostOf(pausing)] : []),
        busy?.seconds.median.toFixed(2) ?? '',
        busy?.latencyMs.max.toFixed(0) ?? '',
      ];
    }),
  };
}

/** Ours first, then those with the fewest losses. */
export function sorted(rows: RowFigures[]): RowFigures[] {
  const ofOurs = rows.filter((row) => row.ours);
  const others = rows.filter((row) => !row.ours).toSorted((a, b) => a.failed - b.failed);
  return [...ofOurs, ...others];
}

export function toMarkdown({ head, rows }: Table): string {
  const lines = [head, head.map(() => '---'), ...rows];
  const widths = head.map((_, at) => Math.max(...lines.map((cells) => cells[at]!.length)));
  return lines
    .map(
      (cells, line) => `| ${cells.map((cell, at) => cell.padEnd(widths[at]!, line === 1 ? '-' : ' ')).join(' | ')} |`,
    )
    .join('\n');
}

function lostOf(row: RowFigures | undefined): string {
  return row === undefined ? '' : `${row.failed} of ${row.requests.toLocaleString('en')}`;
}
