import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { app } from '../../testkit/folders.ts';
import { noInspectorStaysOpen, openInspectors } from '../../testkit/inspectors.ts';
import { startPm2 } from '../../testkit/pm2.ts';
import { waitFor } from '../../testkit/wait-for.ts';

test('the end of a daemon in a test fails when an inspector was left open, also in a process that PM2 does not manage', async () => {
  const pm2 = await startPm2();
  await pm2.startApp({ name: 'parent', script: app('with-helper.cjs') });
  const { pid } = await pm2.process('parent');
  const helper = await waitFor(() => pm2.pids().find((each) => each !== pid && commandOf(each).includes('helper')), {
    what: 'the helper',
  });
  await pm2.noInspectorStaysOpen();
  // Before that it would die of the signal.
  await waitFor(() => catchesSigusr1(helper), { what: 'the helper has booted' });
  process.kill(helper, 'SIGUSR1');
  await waitFor(async () => (await openInspectors()).length === 1, { what: 'the inspector' });
  await assert.rejects(pm2.kill(), new RegExp(`an inspector was left open: process ${helper} .* on port 9229`));
  assert.deepEqual(pm2.pids(), [], 'the daemon goes all the same');
});

test('an inspector that a process was started with, or that was open before, is nobody’s fault', async () => {
  const wanted = spawn(process.execPath, ['--inspect=0', '-e', 'setInterval(() => {}, 60_000)']);
  const before = spawn(process.execPath, ['-e', "require('inspector').open(0); setInterval(() => {}, 60_000)"]);
  try {
    const open = await waitFor(
      async () => {
        const found = await openInspectors();
        return found.length === 2 && found;
      },
      { what: 'both' },
    );
    await noInspectorStaysOpen(open.filter(({ pid }) => pid === before.pid));
    await assert.rejects(noInspectorStaysOpen(), new RegExp(`process ${before.pid} `));
  } finally {
    for (const child of [wanted, before]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
});

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
}

function catchesSigusr1(pid: number): boolean {
  const [, caught = '0'] = /^SigCgt:\s*(\w+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return (BigInt(`0x${caught}`) & 0x200n) !== 0n;
}
