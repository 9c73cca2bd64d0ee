// What a restart costs the clients of an app that runs alone in fork mode: requests lost, and the longest wait. Nobody listens
// while such an app boots, so that is measured for several boot times.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../testkit/folders.ts';
import { type Machine, machine, machineLine } from '../support/machine.ts';
import { report, say } from '../support/report.ts';
import { type Candidate, DEFAULT_KILL_TIMEOUT_MS, forkCandidates } from './candidates.ts';
import { type Chart, drawChart } from './chart.ts';
import { type Clients, startClients } from './clients.ts';
import { PAGE, write, writeBetweenMarks } from './page.ts';
import { installPeers, nodeVersion } from './peers.ts';
import { lostEach } from './publish.ts';
import { createRow, type RowFigures } from './rows.ts';
import { failuresOf } from './seen.ts';
import { type Lane, openLane } from './services.ts';
import { sorted, type Table, toMarkdown } from './tables.ts';
import { busyTurn } from './turn.ts';

const FILE = join(ROOT, 'bench', 'results', 'reload-fork.json');
const CHART = join(ROOT, 'docs', 'pictures', 'restart.svg');
const MARKS = [
  '<!-- made by npm run bench:reload -- --mode fork -->',
  '<!-- end of what npm run bench:reload -- --mode fork made -->',
] as const;

interface Options {
  reloads: number;
  clients: number;
  answer: number;
  minutes: number;
  boots: string;
  only: string;
  report: boolean;
}

type Figures = RowFigures & { bootMs: number };

interface Saved {
  machine: Machine;
  options: { clients: number; answer: number };
  figures: { rows: Figures[] };
}

/** Measures one boot time after the other; those that are not measured now stay as they were. */
export async function benchForkMode(options: Options): Promise<void> {
  if (options.report) return render();
  const facts = machine();
  await installPeers();
  const clients = await startClients();
  try {
    for (const bootMs of options.boots.split(',').map(Number)) {
      const measured = await measure(bootMs, options, clients);
      const isSame = (a: Figures, b: Figures) => a.bootMs === b.bootMs && a.id === b.id && a.by === b.by;
      const kept = saved()?.figures.rows.filter((row) => !measured.some((each) => isSame(each, row))) ?? [];
      const rows = [...kept, ...measured].toSorted((a, b) => a.bootMs - b.bootMs);
      const goals = measured
        .filter(({ ours }) => ours)
        .map(({ by, failed }) => ({
          ...{ what: `lost, ${bootMs} ms of boot, ${by}`, value: failed, limit: 0, unit: '' },
        }));
      report({
        name: 'reload-fork',
        machine: { ...facts, node: nodeVersion() },
        options: { ...options },
        sections: [{ title: `A restart of one process that boots in ${bootMs} ms`, ...overview(measured) }],
        goals,
        figures: { rows },
      });
    }
  } finally {
    clients.end();
  }
  // A run of a few candidates is not the comparison that the project shows.
  if (options.only === '') render();
}

async function measure(bootMs: number, options: Options, clients: Clients): Promise<Figures[]> {
  const wanted = forkCandidates(bootMs, options.only.split(',').filter(Boolean));
  const lanes: Lane[] = [];
  try {
    const entrants = [];
    for (const attached of [true, false]) {
      const of = wanted.filter((candidate) => (candidate.attached === true) === attached);
      if (of.length === 0) continue;
      const lane = await openLane(attached, options.answer);
      lanes.push(lane);
      for (const candidate of of) {
        say(`starting ${candidate.id} for ${candidate.by}, ${bootMs} ms of boot`);
        const service = await lane.start(candidate, DEFAULT_KILL_TIMEOUT_MS);
        entrants.push({ candidate, service, row: createRow(candidate, 'busy', DEFAULT_KILL_TIMEOUT_MS) });
      }
    }
    for (let round = 0; round < options.reloads && performance.now() / 60_000 < options.minutes; round++) {
      for (const { candidate, service, row } of entrants) {
        const group = { name: nameOf(candidate), clients: options.clients, anew: Math.ceil(options.clients / 2) };
        const { seen, turn } = await busyTurn(service, clients, group);
        row.add(turn, seen);
      }
      const lost = entrants.map(({ candidate, row }) => `${nameOf(candidate)} ${failuresOf(row.seen)}`);
      say(`${bootMs} ms of boot, round ${round + 1} of ${options.reloads}; lost: ${lost.join(', ')}`);
    }
    return entrants.map(({ row }) => ({ ...row.figures(), bootMs }));
  } finally {
    await Promise.all(lanes.map((lane) => lane.end()));
  }
}

function nameOf({ id, by }: Candidate): string {
  return `${id} by ${by}`;
}

/** The table on the benchmarks page, from what was measured. */
function render(): void {
  const measured = saved();
  if (!measured) throw new Error(`${FILE} does not exist: measure first`);
  const { machine: of, options, figures } = measured;
  const counts = figures.rows.map(({ reloads }) => reloads);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const times = least === most ? String(least) : `${least} to ${most}`;
  const facts = `${machineLine(of)}; ${options.clients} clients, half of them with a connection for each request, an answer takes ${options.answer} ms; ${times} restarts of each.`;
  write(CHART, drawChart(chartOf(figures.rows, `${times} restarts of each`)));
  writeBetweenMarks(PAGE, MARKS, `${toMarkdown(overview(figures.rows))}\n\n${facts}`);
}

function saved(): Saved | undefined {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Saved) : undefined;
}

/** What each lost, a panel for each boot time. */
function chartOf(rows: Figures[], restarts: string): Chart {
  const boots = [...new Set(rows.map(({ bootMs }) => bootMs))];
  const ways = [...new Map(rows.map((row) => [`${row.id} ${row.by}`, row])).values()];
  return {
    title: 'Requests lost while an app that runs alone restarts',
    about: `on average; ${restarts}, fork mode, one process; shorter is better`,
    panels: boots.map((ms) => `boots in ${ms / 1000} s`),
    lines: sorted(ways).map(({ id, name, by, ours }) => ({
      name: `${name.split(',')[0]} (${by})`,
      ours,
      lost: boots.map((ms) => lostEach(rows.find((row) => row.bootMs === ms && row.id === id && row.by === by))),
    })),
  };
}

/** A line for each way to restart an app, and two columns for each boot time. */
function overview(rows: Figures[]): Table {
  const boots = [...new Set(rows.map(({ bootMs }) => bootMs))];
  const ways = [...new Map(rows.map((row) => [`${row.id} ${row.by}`, row])).values()];
  const find = (bootMs: number, way: Figures) =>
    rows.find((row) => row.bootMs === bootMs && row.id === way.id && row.by === way.by);
  return {
    head: ['', 'restarted by', ...boots.flatMap((ms) => [`lost, ${ms / 1000} s of boot`, 'longest wait (s)'])],
    rows: ways.map((way) => [
      way.ours ? `**${way.name}**` : way.name,
      `\`${way.by}\``,
      ...boots.flatMap((bootMs) => {
        const row = find(bootMs, way);
        if (!row) return ['', ''];
        const notDone = row.notSucceeded > 0 ? `, ${row.notSucceeded} without success` : '';
        const lost = `${row.failed} of ${row.requests.toLocaleString('en')}${notDone}`;
        return [lost, (row.latencyMs.max / 1000).toFixed(2)];
      }),
    ]),
  };
}
