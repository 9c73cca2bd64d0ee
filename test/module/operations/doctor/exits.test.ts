import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ExitRecord } from '../../../../contract/exits.ts';
import type { FigureSample } from '../../../../contract/figures.ts';
import { createFleet } from '../../../../module/fleet/fleet.ts';
import { EXIT_CHECKS } from '../../../../module/operations/doctor/exits.ts';
import type { Found, Host } from '../../../../module/operations/doctor/finding.ts';
import { lookForOomPolicy } from '../../../../module/operations/doctor/oomPolicy.ts';
import type { ManagedProcess } from '../../../../module/pm2/managedProcess.ts';
import { type ExitStore, openExitStore } from '../../../../module/recorder/store.ts';
import { releaseFolder, tempFolder } from '../../../../testkit/folders.ts';
import { exitRecord, sample } from '../../../support/exits.ts';
import { limitMemory } from '../../../support/limits.ts';
import { listed } from '../../../support/listed.ts';

const MIB = 2 ** 20;
const MINUTE = 60_000;

describe('what doctor says of exits', () => {
  let folder: string;
  let exits: ExitStore;
  beforeEach(() => {
    folder = tempFolder();
    exits = openExitStore({ folder, maxBytes: 64 * MIB, log: assert.fail });
  });
  afterEach(() => releaseFolder(folder));

  /** What a check finds about an app `web`. */
  const look = async (name: string, about: Partial<ManagedProcess> = {}, figures?: FigureSample): Promise<Found[]> => {
    const fleet = createFleet(() => true);
    fleet.sync([listed({ pmId: 0, name: 'web', ...about })]);
    const host = { fleet, members: fleet.members(), exits, newestFigures: () => figures } as unknown as Host;
    return (await EXIT_CHECKS.find((check) => check.name === name)?.look(host)) ?? assert.fail(name);
  };
  const crashes = (...minutesAgo: number[]) => {
    for (const minutes of minutesAgo) exits.put(exitRecord({ at: Date.now() - minutes * MINUTE }));
  };
  const lineOf = ({ each }: Found) => each?.words.map((word) => each.line(word)).join('; ');

  it('restart-loop: three exits by itself in ten minutes are one, with the cause', async () => {
    crashes(15, 9, 5);
    assert.deepEqual(await look('restart-loop'), []);
    crashes(1);
    const [found] = await look('restart-loop');
    assert.equal(found?.severity, 'error');
    assert.match(
      found?.what ?? '',
      /^has ended 3 times by itself in (9|10) minutes, the last time: uncaught TypeError/,
    );
    assert.deepEqual(found?.type, ['pm2 trigger pm2-ops why app=web']);
  });

  it('restart-loop: what somebody asked for is none, and what was before somebody restarted it is over', async () => {
    for (const at of [1, 2, 3, 4]) {
      const asked: Partial<ExitRecord> = { cause: 'reload', by: { who: 'somebody' } };
      exits.put(exitRecord({ ...asked, at: Date.now() - at * MINUTE }));
    }
    for (const at of [0.9, 0.8, 0.7]) {
      const watched: Partial<ExitRecord> = { cause: 'watch', by: { who: 'pm2' } };
      exits.put(exitRecord({ ...watched, at: Date.now() - at * MINUTE }));
    }
    assert.deepEqual(await look('restart-loop'), []);
    crashes(0.5, 0.4, 0.3);
    assert.equal((await look('restart-loop')).length, 1);
    exits.put(exitRecord({ cause: 'restart', by: { who: 'somebody' }, at: Date.now() }));
    assert.deepEqual(await look('restart-loop'), []);
  });

  it('restart-loop: PM2 has given up, which is over once somebody has started it again', async () => {
    crashes(3, 2);
    const at = Date.now() - MINUTE;
    exits.put(exitRecord({ at, followed: { is: 'gave-up', restarts: 16 } }));
    assert.equal((await look('restart-loop', { status: 'errored', startedAt: at - 1_000 })).length, 1);
    assert.deepEqual(await look('restart-loop', { status: 'online', startedAt: at + 1_000 }), []);
  });

  it('stop-exit-codes: 0 is said in cluster mode alone, and the others stay', async () => {
    assert.deepEqual(await look('stop-exit-codes', { stopExitCodes: [0], mode: 'fork' }), []);
    assert.deepEqual(await look('stop-exit-codes', { stopExitCodes: [5] }), []);
    for (const [codes, line, kept] of [
      [[0], 'pm2 reload web --stop-exit-codes 256', []],
      [[0, 5], 'pm2 reload web --stop-exit-codes 5', [5]],
      [[5, 0, 6], undefined, [5, 6]],
    ] as const) {
      const [found] = await look('stop-exit-codes', { stopExitCodes: [...codes] });
      assert.equal(found && lineOf(found), line);
      assert.deepEqual(found?.ecosystem, { stop_exit_codes: kept });
    }
  });

  it('swallowed-rejections: a process that had some is named, with where to look', async () => {
    assert.deepEqual(await look('swallowed-rejections', {}, sample({ exceptions: 3 })), []);
    const [found] = await look('swallowed-rejections', {}, sample({ rejections: 7 }));
    assert.match(found?.what ?? '', /^7 promise rejection\(s\) were handled by nobody/);
    assert.deepEqual(found?.type, ['pm2 logs 0 --err --lines 50 --nostream']);
  });

  it("heap-limit: V8's limit is compared with max_memory_restart, and the app's other options stay", async () => {
    const figures = sample({ heapLimitBytes: 2_096 * MIB });
    assert.deepEqual(await look('heap-limit', {}, figures), []);
    assert.deepEqual(await look('heap-limit', { maxMemoryRestart: 4_000 * MIB }, figures), []);
    assert.deepEqual(await look('heap-limit', { maxMemoryRestart: 400 * MIB }), []);
    const nodeArgs = ['--no-warnings', '--max-old-space-size=2048'];
    const [found] = await look('heap-limit', { maxMemoryRestart: 400 * MIB, nodeArgs }, figures);
    assert.match(
      found?.what ?? '',
      /V8 lets its heap grow to 2096 MB, but PM2 restarts it above max_memory_restart \(400 MB\)/,
    );
    assert.equal(found && lineOf(found), "pm2 reload web --node-args '--no-warnings --max-old-space-size=252'");
    assert.deepEqual(found?.ecosystem, { node_args: ['--no-warnings', '--max-old-space-size=252'] });
    const [small] = await look('heap-limit', { maxMemoryRestart: 100 * MIB }, figures);
    assert.match(small?.say ?? '', /100 MB is little for an app of Node/);
  });

  it('heap-limit: and with the limit of its cgroup, above which the kernel kills it', async (context) => {
    const leave = limitMemory(process.pid, 1_500 * MIB);
    if (!leave) return context.skip('no memory cgroup can be made here');
    try {
      const [found] = await look('heap-limit', { pid: process.pid }, sample({ heapLimitBytes: 2_096 * MIB }));
      assert.equal(found?.severity, 'warning');
      assert.match(found?.what ?? '', /the kernel kills it above the limit of its cgroup \(1500 MB\)/);
      assert.deepEqual(await look('heap-limit', { pid: process.pid }, sample({ heapLimitBytes: 1_000 * MIB })), []);
    } finally {
      leave();
    }
  });

  describe('oom-policy', () => {
    const DAEMON = 77;
    const write = (file: string, text: string) => {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    };
    const inUnit = (unit: string, text?: string) => {
      write(`proc/${DAEMON}/cgroup`, `0::/system.slice/${unit}\n`);
      if (text !== undefined) write(`etc/systemd/system/${unit}`, `[Unit]\nDescription=PM2\n[Service]\n${text}\n`);
    };
    const policies = () => lookForOomPolicy(DAEMON, folder).map(({ what }) => /is (\w+)$/.exec(what)?.[1]);

    it("is said where systemd's default would stop all apps, and nowhere else", () => {
      assert.deepEqual(policies(), [], 'there is no systemd');
      inUnit('pm2-root.service');
      assert.deepEqual(policies(), [], 'the unit is nowhere');
      inUnit('pm2-root.service', 'Type=forking');
      assert.deepEqual(policies(), ['stop']);
      for (const [text, expected] of [
        ['OOMPolicy=kill', ['kill']],
        ['OOMPolicy = continue', []],
        ['OOMPolicy=continue\nOOMPolicy=', ['stop']],
        ['# OOMPolicy=continue', ['stop']],
        ['Delegate=yes', []],
        ['Delegate=no', ['stop']],
      ] as const) {
        inUnit('pm2-root.service', text);
        assert.deepEqual(policies(), expected, text);
      }
    });

    it('reads drop-ins, templates and the default of the system', () => {
      inUnit('pm2-root.service', 'Type=forking');
      write('etc/systemd/system.conf', '[Manager]\n#DefaultOOMPolicy=stop\nDefaultOOMPolicy=continue\n');
      assert.deepEqual(policies(), []);
      rmSync(join(folder, 'etc/systemd/system.conf'));
      write('usr/lib/systemd/system/pm2-root.service.d/50-own.conf', '[Service]\nOOMPolicy=continue\n');
      assert.deepEqual(policies(), []);
      write('etc/systemd/system/pm2-root.service.d/60-later.conf', '[Service]\nOOMPolicy=stop\n');
      assert.deepEqual(policies(), ['stop']);
      inUnit('pm2@web.service');
      write('usr/lib/systemd/system/pm2@.service', '[Service]\nOOMPolicy=kill\n');
      assert.deepEqual(policies(), ['kill']);
    });

    it('is not said of a session, a container, or a unit of a user', () => {
      for (const path of [
        '/user.slice/user-0.slice/session-3.scope',
        '/',
        '/user.slice/user-1000.slice/user@1000.service/app.slice/pm2.service',
      ]) {
        write('etc/systemd/system/pm2.service', '[Service]\n');
        write(`proc/${DAEMON}/cgroup`, `0::${path}\n`);
        assert.deepEqual(policies(), [], path);
      }
      write(`proc/${DAEMON}/cgroup`, '1:name=systemd:/system.slice/pm2.service\n');
      assert.deepEqual(policies(), [], 'cgroup v1');
    });

    it('is gone when its lines are typed', () => {
      inUnit('pm2-root.service', 'Type=forking');
      write('bin/systemctl', '#!/bin/sh\necho "$@" > "$(dirname "$0")/asked"\n');
      chmodSync(join(folder, 'bin/systemctl'), 0o755);
      const [found] = lookForOomPolicy(DAEMON, folder);
      const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
      for (const line of found?.type ?? []) assert.equal(spawnSync('sh', ['-c', line], { env }).status, 0, line);
      assert.equal(readFileSync(join(folder, 'bin/asked'), 'utf8'), 'daemon-reload\n');
      assert.deepEqual(policies(), []);
    });
  });
});
