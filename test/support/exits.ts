// Records of exits for tests.
import type { ExitRecord } from '../../contract/exits.ts';
import { FIGURES, type FigureSample } from '../../contract/figures.ts';

let ids = 0;

/** An exit by an exception that nothing caught, unless told otherwise. */
export function exitRecord(given: Partial<ExitRecord> = {}): ExitRecord {
  const id = given.id ?? `exit-${++ids}`;
  const at = given.at ?? Date.UTC(2026, 0, 1) + ids * 1_000;
  return {
    id,
    at,
    pmId: 0,
    name: 'web',
    namespace: 'default',
    mode: 'fork',
    pid: 4_000 + ids,
    startedAt: at - 60_000,
    uptimeMs: 60_000,
    restarts: 3,
    cause: 'uncaught-exception',
    certainty: 'sure',
    by: { who: 'itself' },
    headline: 'uncaught TypeError: x is not a function at src/pay.ts:12',
    evidence: ['the agent saw an exception that nothing caught'],
    code: 1,
    signal: null,
    stdout: [],
    stderr: ['TypeError: x is not a function'],
    figures: [],
    missing: [],
    ...given,
  };
}

/** A sample of figures; fields that are not given are 0. */
export function sample(given: Partial<FigureSample>): FigureSample {
  return { ...(Object.fromEntries(FIGURES.map((field) => [field, 0])) as FigureSample), ...given };
}
