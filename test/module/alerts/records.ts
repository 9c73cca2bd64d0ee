// Exits and alerts as tests need them.
import type { Alert } from '../../../contract/alerts.ts';
import type { ExitRecord } from '../../../contract/exits.ts';

/** An exit by an exception at `at`; what is given replaces its fields. */
export function exitAt(at: number, given: Partial<ExitRecord> = {}): ExitRecord {
  return {
    ...{ id: `exit-${at}`, at, pmId: 3, name: 'web', namespace: 'default', mode: 'fork', pid: 4711 },
    ...{ startedAt: at - 60_000, uptimeMs: 60_000, restarts: 0, cause: 'uncaught-exception', certainty: 'sure' },
    ...{
      by: { who: 'itself' },
      headline: 'uncaught Error: boom at src/pay.ts:12',
      evidence: [],
      code: 1,
      signal: null,
    },
    ...{ stdout: [], stderr: [], figures: [], missing: [] },
    ...given,
  };
}

export function anAlert(given: Partial<Alert> = {}): Alert {
  const at = Date.now();
  return {
    ...{ id: 'one', key: 'exit:default:web:uncaught-exception', state: 'firing', severity: 'warning' },
    ...{ title: 'web (id 3): uncaught Error: boom', details: ['it was up for 60 s'], at, since: at, count: 1 },
    ...{ host: 'box', version: '1.2.3', next: 'pm2-ops why web' },
    ...given,
  };
}
