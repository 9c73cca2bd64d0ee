// Makes each change in a copy of the project and runs the tests that should notice it, until one does.

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canSeparate, OWN_PROCESSES, runInLanes } from '../test/lanes.ts';
import { FAILURE, type FileRun, runFile } from '../test/runFile.ts';
import { copyCheckout } from './copy.ts';
import { type Mutation, mutated, staleness } from './mutation.ts';

/** A file may take so much longer than it did unchanged: what hangs is noticed. */
const PATIENCE = 3;
const LEAST_PATIENCE_MS = 30_000;

export interface Judgement {
  mutation: Mutation;
  outcome:
    | { is: 'noticed'; by: string }
    /** None of its tests failed: a test is missing. */
    | { is: 'survived' }
    /** It cannot be made, or not be judged. */
    | { is: 'void'; reason: string };
  seconds: number;
}

export interface Trial {
  /** The checkout. */
  root: string;
  lanes: number;
  /** Builds a copy after a change; what it throws voids the mutation. */
  build(folder: string): void;
  /** Hears how each test file did unchanged, and of each judgement. */
  onFile?(run: FileRun): void;
  onJudgement?(judgement: Judgement): void;
}

interface Copy {
  folder: string;
  env: NodeJS.ProcessEnv;
}

/** Judges all, in several copies at a time. */
export async function judge(mutations: readonly Mutation[], trial: Trial): Promise<Judgement[]> {
  const { root, build, onFile = () => {}, onJudgement } = trial;
  const own = canSeparate(OWN_PROCESSES);
  const lanes = own ? trial.lanes : 1;
  const namespaces = own ? OWN_PROCESSES : [];
  // Short, as there are Unix sockets in it.
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'po-mut-')));
  chmodSync(base, 0o755);
  const copies = Array.from({ length: lanes }, (_, lane) => newCopy(root, join(base, String(lane))));
  /** How each test file does without any change; run once, when it is first needed. */
  const unchanged = new Map<string, Promise<FileRun>>();
  const runIn = ({ folder, env }: Copy, file: string, options: { timeoutMs?: number; untilFailure?: boolean }) =>
    runFile(file, { cwd: folder, env, namespaces, ...options });

  try {
    return await runInLanes(mutations, {
      lanes,
      online: () => false,
      run: async (mutation) => {
        const copy = copies.pop();
        if (!copy) throw new Error('more lanes than copies');
        const began = performance.now();
        const outcome = await outcomeOf(mutation, copy);
        copies.push(copy);
        const judgement = { mutation, outcome, seconds: (performance.now() - began) / 1000 };
        onJudgement?.(judgement);
        return judgement;
      },
    });

    function untouched(file: string, copy: Copy): Promise<FileRun> {
      const known = unchanged.get(file);
      if (known) return known;
      build(copy.folder);
      const run = runIn(copy, file, {});
      unchanged.set(file, run);
      void run.then(onFile);
      return run;
    }

    async function outcomeOf(mutation: Mutation, copy: Copy): Promise<Judgement['outcome']> {
      const stale = staleness(root, mutation);
      if (stale) return { is: 'void', reason: stale };
      const usualMs = new Map<string, number>();
      for (const test of mutation.tests) {
        const run = await untouched(test, copy);
        if (!run.ok) return { is: 'void', reason: `${test} fails without it` };
        usualMs.set(test, run.seconds * 1000);
      }
      const path = join(copy.folder, mutation.file);
      const text = readFileSync(path, 'utf8');
      try {
        writeFileSync(path, mutated(text, mutation));
        build(copy.folder);
        for (const test of mutation.tests) {
          const timeoutMs = LEAST_PATIENCE_MS + (usualMs.get(test) ?? 0) * PATIENCE;
          const run = await runIn(copy, test, { timeoutMs, untilFailure: own });
          if (!run.ok) return { is: 'noticed', by: `${FAILURE.exec(run.output)?.[1] ?? lastLine(run)} (${test})` };
        }
        return { is: 'survived' };
      } catch (error) {
        return { is: 'void', reason: `it does not build: ${(error as Error).message}` };
      } finally {
        writeFileSync(path, text);
      }
    }
  } finally {
    rmSync(base, { recursive: true, force: true, maxRetries: 3 });
  }
}

function newCopy(root: string, at: string): Copy {
  const folder = join(at, 'copy');
  const temp = join(at, 't');
  mkdirSync(temp, { recursive: true });
  chmodSync(temp, 0o1777);
  copyCheckout(root, folder);
  return { folder, env: { TMPDIR: temp, PM2_OPS_TESTS: undefined } };
}

function lastLine({ output }: FileRun): string {
  return output.trimEnd().split('\n').at(-1) ?? '';
}
