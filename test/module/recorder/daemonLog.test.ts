import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DaemonLine, readDaemonLine, withoutTime } from '../../../module/recorder/daemonLog.ts';

/** Lines as the daemons of PM2 5.4, 6.0 and 7.0 wrote them. */
const LINES: [line: string, told: DaemonLine][] = [
  [
    'App [web:3] exited with code [0] via signal [SIGKILL]',
    { is: 'exited', pmId: 3, name: 'web', code: 0, signal: 'SIGKILL' },
  ],
  [
    'App [web:_old_3] exited with code [1] via signal [SIGINT]',
    { is: 'exited', pmId: '_old_3', name: 'web', code: 1, signal: 'SIGINT' },
  ],
  ['App [web:3] starting in -fork mode-', { is: 'starting', pmId: 3, name: 'web' }],
  ['App [web:3] starting in -cluster mode-', { is: 'starting', pmId: 3, name: 'web' }],
  ['Stopping app:web id:3', { is: 'stopping', pmId: 3, name: 'web' }],
  ['Stopping app:web id:_old_3', { is: 'stopping', pmId: '_old_3', name: 'web' }],
  ['App [web:3] will restart in 150ms', { is: 'backoff', pmId: 3, delayMs: 150 }],
  ['Change detected on path src/a b.ts for app web - restarting', { is: 'changed', path: 'src/a b.ts', name: 'web' }],
  [
    '[PM2][WORKER] Process 3 restarted because it exceeds --max-memory-restart value (current_memory=318767104 max_memory_limit=209715200 [octets])',
    { is: 'memory-limit', pmId: 3, currentBytes: 318_767_104, limitBytes: 209_715_200 },
  ],
  ['[PM2] Deregistering a cron job on: 3', { is: 'cron-removed', pmId: 3 }],
  ['Process 3 in a stopped status, starting it', { is: 'reload-as-restart', pmId: 3 }],
  [
    'Process with pid 4711 still alive after 1600ms, sending it SIGKILL now...',
    { is: 'killed', pid: 4711, afterMs: 1_600 },
  ],
  [
    'Process with pid 4711 still alive after 1600ms, sending SIGKILL to 1 remaining pids...',
    { is: 'killed', pid: 4711, afterMs: 1_600 },
  ],
];

describe("the lines of PM2's log", () => {
  for (const [line, told] of LINES)
    it(`are read: ${line}`, () => {
      assert.deepEqual(readDaemonLine(`${line}\n`), told);
      assert.deepEqual(readDaemonLine(withoutTime(`2026-11-26T13:43:15: PM2 log: ${line}`)), told);
    });

  it('name the right process, whatever an app is called', () => {
    assert.deepEqual(
      readDaemonLine('App [x:9] exited with code [0] via signal [SIGKILL:3] exited with code [2] via signal [SIGINT]'),
      {
        is: 'exited',
        pmId: 3,
        name: 'x:9] exited with code [0] via signal [SIGKILL',
        code: 2,
        signal: 'SIGINT',
      },
    );
  });

  it('tell nothing otherwise', () => {
    for (const line of ['App [web:3] online', 'pid=4711 msg=process killed', '', 'App [web:x] exited with code []'])
      assert.equal(readDaemonLine(line), undefined);
  });

  it('are looked at once, however long they are and whatever is in them', () => {
    const hostile = `App [${':1] exited with code ['.repeat(100_000)}`;
    for (let times = 0; times < 1_000; times++) assert.equal(readDaemonLine(hostile.slice(0, 8_192)), undefined);
    assert.equal(readDaemonLine(hostile), undefined);
  });
});
