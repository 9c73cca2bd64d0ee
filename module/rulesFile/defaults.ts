// The rules that are in force without a file. None of them stops an app for long, and none costs 1 % of a CPU on the whole.
import type { HostLimit, Rule } from '../../contract/rules.ts';

export const HOST_LIMIT: HostLimit = { atOnce: 2, times: 30, inMs: 3_600_000 };

export const BUILT_IN: readonly Rule[] = [
  {
    name: 'blocked',
    builtIn: true,
    on: true,
    apps: ['*'],
    when: { is: 'blocked', forMs: 2_000 },
    do: [{ action: 'stack' }, { action: 'alert' }],
    limit: { times: 6, inMs: 3_600_000 },
    severity: 'critical',
  },
  {
    name: 'leak',
    builtIn: true,
    on: true,
    apps: ['*'],
    // An app that has just started grows for a while: caches, compiled code.
    when: { is: 'growth', above: 10 * 2 ** 20, below: 5 * 2 ** 20, forMs: 2 * 3_600_000 },
    // A full collection stops a process for about a millisecond per megabyte.
    do: [{ action: 'leak-report', seconds: 60, largestHeapBytes: 200 * 2 ** 20 }, { action: 'alert' }],
    limit: { times: 1, inMs: 86_400_000 },
    severity: 'warning',
  },
  {
    name: 'crash-loop',
    builtIn: true,
    on: true,
    apps: ['*'],
    when: { is: 'restarts', times: 5, inMs: 10 * 60_000 },
    do: [{ action: 'alert' }],
    limit: { times: 1, inMs: 3_600_000 },
    severity: 'critical',
  },
  {
    name: 'disk',
    builtIn: true,
    on: true,
    apps: ['*'],
    when: { is: 'disk', below: 512 * 2 ** 20, above: 640 * 2 ** 20, forMs: 60_000 },
    do: [{ action: 'alert' }],
    limit: { times: 1, inMs: 86_400_000 },
    severity: 'warning',
  },
];
