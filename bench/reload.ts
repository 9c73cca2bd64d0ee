// What a reload costs the clients: requests lost, seconds, and the longest wait, for pm2-ops and for what people use
// today. All candidates live side by side and take turns, one reload each in every round, so that whatever else happens
// on the machine happens to each of them.

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { manifest } from '../testkit/package.ts';
import { type Candidate, candidates, DEFAULT_KILL_TIMEOUT_MS, PATIENT_KILL_TIMEOUT_MS } from './reload/candidates.ts';
import { type Clients, startClients } from './reload/clients.ts';
import { benchForkMode } from './reload/forkMode.ts';
import { installPeers, nodeVersion } from './reload/peers.ts';
import { publish, render } from './reload/publish.ts';
import { createRow, type Row } from './reload/rows.ts';
import { failuresOf } from './reload/seen.ts';
import { type Lane, openLane, type Service } from './reload/services.ts';
import { busyTurn, pausingTurn } from './reload/turn.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { say } from './support/report.ts';

const options = readOptions('bench:reload', {
  mode: {
    default: 'cluster',
    help: 'cluster, or fork: one process, restarted under clients half of which connect anew each time (cluster)',
  },
  boots: { default: '100,400,2000', help: 'fork: milliseconds that the app takes before it listens (100,400,2000)' },
  reloads: { default: 20, help: 'of each candidate, with busy clients and again with clients that pause' },
  clients: { default: 64, help: 'each with a keep-alive connection of its own' },
  pause: { default: 3_000, help: 'longest pause of those that pause, in milliseconds' },
  answer: { default: 50, help: 'milliseconds that an answer takes on average; 0: at once' },
  minutes: { default: 45, help: 'no new round after two thirds of them with busy clients, and after all of them' },
  load: { default: 'both', help: 'busy or pausing: only these clients; what the others saw stays as it was' },
  only: { default: '', help: 'ids of candidates, separated by commas (all)' },
  report: { default: false, help: 'measure nothing: write table and chart from bench/results/reload.json' },
});

/** Lanes of peers while clients pause: a reload in each at the same time, beside those of our own. That keeps two
 * cores busy: what is lost compares, seconds do not. */
const PEER_LANES = 3;
/** Share of the time that busy clients may take. */
const BUSY_SHARE = 0.64;

interface Entrant {
  row: Row;
  candidate: Candidate;
  service: Service;
}

async function main(): Promise<void> {
  if (options.mode === 'fork') return benchForkMode(options);
  if (options.report) return render();
  if (!['both', 'busy', 'pausing'].includes(options.load))
    throw new Error(`--load is busy, pausing or both, not ${options.load}`);
  const facts = machine();
  await installPeers();
  const wanted = candidates(options.only.split(',').filter(Boolean)).filter(measurable);
  const clients = await startClients();
  const lanes: Lane[] = [];
  try {
    const fields = await startAll(wanted, lanes);
    const busy = fields.flat().filter(({ row }) => row.killTimeoutMs === DEFAULT_KILL_TIMEOUT_MS);
    const busyRows = options.load === 'pausing' ? [] : await runBusy(inOrder(wanted, busy), clients);
    const pausingRows = options.load === 'busy' ? [] : await runPausing(fields, clients);
    publish({ ...facts, node: nodeVersion() }, options, [...busyRows, ...pausingRows]);
  } finally {
    clients.end();
    await Promise.all(lanes.map((lane) => lane.end()));
  }
}

/** Every candidate runs, in lanes in which one reload comes after the other. */
async function startAll(wanted: Candidate[], lanes: Lane[]): Promise<Entrant[][]> {
  const groups: { attached: boolean; of: Candidate[] }[] = [
    { attached: true, of: wanted.filter(({ attached, by }) => attached && by === 'pm2 reload') },
    { attached: true, of: wanted.filter(({ attached, by }) => attached && by !== 'pm2 reload') },
  ];
  const others = wanted.filter(({ attached }) => !attached);
  for (let lane = 0; lane < PEER_LANES; lane++)
    groups.push({ attached: false, of: others.filter((_, at) => at % PEER_LANES === lane) });

  return Promise.all(
    groups
      .filter(({ of }) => of.length > 0)
      .map(async ({ attached, of }) => {
        const lane = await openLane(attached, options.answer);
        lanes.push(lane);
        const field: Entrant[] = [];
        for (const candidate of of) {
          const timeouts = [DEFAULT_KILL_TIMEOUT_MS, ...(candidate.patient ? [PATIENT_KILL_TIMEOUT_MS] : [])];
          for (const killTimeoutMs of timeouts) {
            say(`starting ${candidate.id}, kill_timeout ${killTimeoutMs}`);
            const service = await lane.start(candidate, killTimeoutMs);
            field.push({ candidate, service, row: createRow(candidate, 'pausing', killTimeoutMs) });
          }
        }
        return field;
      }),
  );
}

/** One after the other: they take all the processor time there is. */
async function runBusy(entrants: Entrant[], clients: Clients): Promise<Row[]> {
  const rows = entrants.map(({ candidate }) => createRow(candidate, 'busy', DEFAULT_KILL_TIMEOUT_MS));
  for (let round = 0; round < options.reloads && minutesUsed() < options.minutes * BUSY_SHARE; round++) {
    for (const at of turnsOf(entrants.length, round)) {
      const { service } = entrants[at]!;
      const row = rows[at]!;
      const { seen, turn } = await busyTurn(service, clients, { name: row.id, clients: options.clients });
      row.add(turn, seen);
    }
    sayProgress('busy clients', round, rows);
  }
  return rows;
}

/** With clients that pause a reload takes seconds and needs little: lanes run side by side. */
async function runPausing(fields: Entrant[][], clients: Clients): Promise<Row[]> {
  await Promise.all(
    fields.map(async (field, lane) => {
      for (let round = 0; round < options.reloads && minutesUsed() < options.minutes; round++) {
        for (const at of turnsOf(field.length, round)) {
          const { row, service } = field[at]!;
          const { seen, turn } = await pausingTurn(service, clients, {
            name: row.id,
            clients: options.clients,
            pauseMs: options.pause,
          });
          row.add(turn, seen);
        }
        say(`clients that pause, lane ${lane + 1}: round ${round + 1} of ${options.reloads}`);
      }
    }),
  );
  return fields.flat().map(({ row }) => row);
}

/** Another candidate begins each round, so that none is always the first or behind the same neighbour. */
function turnsOf(count: number, round: number): number[] {
  const order = Array.from({ length: count }, (_, at) => (at + round) % count);
  return round % 2 === 0 ? order : order.reverse();
}

function inOrder(wanted: Candidate[], entrants: Entrant[]): Entrant[] {
  return wanted.flatMap((candidate) => entrants.filter((entrant) => entrant.candidate === candidate));
}

function measurable({ id, name }: Candidate): boolean {
  const missing =
    (id === 'nginx' && spawnSync('nginx', ['-v']).status !== 0) ||
    (id === 'lifecycle' && !Object.hasOwn(manifest.exports as object, './lifecycle'));
  if (missing) say(`${name} is left out: it is not there`);
  return !missing;
}

function minutesUsed(): number {
  return performance.now() / 60_000;
}

function sayProgress(what: string, round: number, rows: Row[]): void {
  const lost = rows.map((row) => `${row.id} ${failuresOf(row.seen)} (${row.lastSeconds.toFixed(1)} s)`).join(', ');
  say(`${what}, round ${round + 1} of ${options.reloads} (${availableParallelism()} cores); lost: ${lost}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
