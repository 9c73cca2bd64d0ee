// What `npm run test:mutations` does: makes each change of test/mutations, runs the tests that should notice it, and
// prints those that none noticed.

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lanesHere } from '../test/lanes.ts';
import { ROOT } from '../test/root.ts';
import { type Judgement, judge } from './judge.ts';
import type { Mutation, Rooms } from './mutation.ts';

/** All mutations of a project. */
export async function readRooms(root: string): Promise<Rooms> {
  const files = readdirSync(join(root, 'test', 'mutations')).sort();
  const read = async (file: string): Promise<[string, readonly Mutation[]]> => {
    const { mutations } = (await import(join(root, 'test', 'mutations', file))) as { mutations: readonly Mutation[] };
    return [basename(file, '.ts'), mutations];
  };
  return Object.fromEntries(await Promise.all(files.map(read)));
}

/** Judges the mutations whose room, file or harm contains an argument, or all; answers the exit code. */
export async function main(wanted: readonly string[], root = process.env.PM2_OPS_MUTATIONS || ROOT): Promise<number> {
  const rooms = Object.entries(await readRooms(root)).map(([room, mutations]) => {
    const chosen = mutations.filter(
      ({ file, harm }) => wanted.length === 0 || wanted.some((part) => `${room}: ${file} ${harm}`.includes(part)),
    );
    return [room, chosen] as const;
  });
  const all = rooms.flatMap(([, mutations]) => mutations);
  if (all.length === 0) {
    console.error(`no mutation matches ${wanted.join(', ')}`);
    return 1;
  }
  const roomOf = (mutation: Mutation): string => rooms.find(([, mutations]) => mutations.includes(mutation))?.[0] ?? '';
  console.log(`${all.length} changes; each test file runs without any, first.`);
  let done = 0;
  const judgements = await judge(all, {
    root,
    lanes: lanesHere(),
    build: root === ROOT ? buildIn : () => {},
    onFile: ({ file, ok, seconds, output }) =>
      console.log(ok ? `✔ ${file} as it is (${seconds.toFixed(1)} s)` : `✖ ${file} as it is${output}`),
    onJudgement: (judgement) => {
      done += 1;
      console.log(`[${done}/${all.length}] ${roomOf(judgement.mutation)}: ${line(judgement)}`);
    },
  });

  const count = (room: string, is: Judgement['outcome']['is']): string =>
    String(judgements.filter(({ mutation, outcome }) => roomOf(mutation) === room && outcome.is === is).length);
  console.log('\nroom          changes  noticed  survived  void');
  for (const [room, mutations] of rooms.filter(([, { length }]) => length > 0)) {
    const cells = [String(mutations.length), count(room, 'noticed'), count(room, 'survived'), count(room, 'void')];
    const [changes = '', noticed = '', survived = '', none = ''] = cells;
    console.log(
      `${room.padEnd(12)}  ${changes.padStart(7)}  ${noticed.padStart(7)}  ${survived.padStart(8)}  ${none.padStart(4)}`,
    );
  }
  const missed = judgements.filter(({ outcome }) => outcome.is !== 'noticed');
  for (const { mutation, outcome } of missed)
    console.log(
      `\n${outcome.is === 'void' ? `void: ${outcome.reason}` : 'survived'}\n  ${mutation.harm}\n  ${mutation.file}\n` +
        `  - ${mutation.find}\n  + ${mutation.replace}\n  not noticed by ${mutation.tests.join(', ')}`,
    );
  console.log(`\n${judgements.length - missed.length} of ${judgements.length} were noticed.`);
  return missed.length === 0 ? 0 : 1;
}

function line({ mutation, outcome, seconds }: Judgement): string {
  const what = outcome.is === 'noticed' ? `noticed by ${outcome.by}` : outcome.is === 'void' ? outcome.reason : '';
  return `${mutation.harm} (${seconds.toFixed(1)} s)\n    ${outcome.is === 'survived' ? 'SURVIVED' : what}`;
}

function buildIn(folder: string): void {
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
}
