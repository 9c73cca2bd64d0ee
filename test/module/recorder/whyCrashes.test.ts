import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ExitRecord, WhyReply } from '../../../contract/exits.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { type Advice, takeAdvice } from '../../support/advice.ts';
import { createEcosystem, type Ecosystem } from '../operations/doctor/ecosystem.ts';

const CANARY = 'canary5tr0ngs3cret';

describe('an app that crashes again and again', () => {
  let pm2: Pm2;
  let advice: Advice;
  let apps: Ecosystem;
  before(async () => {
    pm2 = await startWithModule({ env: { CANARY } });
    advice = takeAdvice(pm2);
    apps = createEcosystem(pm2);
    await apps.start({ name: 'web', script: app('pays.cjs'), max_memory_restart: '400M' });
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  const exits = async (): Promise<ExitRecord[]> => {
    const { stdout } = await advice.paste('pm2-ops why web --json');
    return (JSON.parse(stdout) as WhyReply).exits;
  };
  /** Has the app fail, and waits until it serves again under its agent, and what followed is recorded. */
  const crash = async () => {
    const before = (await exits()).length;
    await get({ port: apps.port('web'), path: '/pay' });
    await waitFor(async () => (await exits()).filter(({ followed }) => followed?.is === 'started').length > before, {
      what: 'the exit to be recorded',
      timeoutMs: 30_000,
      everyMs: 200,
      context: async () => `${JSON.stringify(await exits(), null, 1)}\n${pm2.logs('pm2-ops')}`,
    });
    await untilAttached(pm2, 'web');
    await apps.answers('web');
  };

  it('is told with the line that fails, its last words, and what PM2 did', async () => {
    await crash();
    const { code, stdout } = await advice.paste('pm2-ops why web');
    assert.equal(code, 0);
    for (const line of [
      /^web:\d {2}uncaught TypeError: Cannot read properties of undefined \(reading 'toFixed'\).*pays\.cjs:9/,
      /^ended by {3}the process itself, code 1/,
      /^then {7}pid \d+ after \d/,
      /^exception {2}TypeError: Cannot read properties of undefined/,
      /^(stdout {5}| {11})paying order 1$/,
      /^stderr {5}.*API_KEY=\[redacted\]/,
      /^→ repair .*pays\.cjs:9/,
    ])
      assert.match(stdout, new RegExp(line, 'm'));
    if (process.env.PM2_OPS_SHOW) console.log(stdout);
  });

  it('is a restart-loop to doctor, which is gone when the app is repaired as it says', async () => {
    await crash();
    await crash();
    const finding = await advice.finding('restart-loop', 'web');
    assert.match(finding.what, /has ended 3 times by itself in \d+ minutes, the last time: uncaught TypeError/);
    const why = await advice.paste(finding.commands[0]!);
    assert.equal(why.stdout.match(/uncaught TypeError/g)?.length, 4, why.stdout);
    if (process.env.PM2_OPS_SHOW) console.log(why.stdout);
    const fix = /then: (pm2 restart .*)$/m.exec(finding.fix)?.[1] ?? '';
    apps.edit('web', app('http.cjs'));
    assert.equal((await advice.paste(fix)).code, 0, fix);
    await advice.gone('restart-loop', 'web');
    apps.edit('web', app('pays.cjs'));
    assert.equal((await advice.paste(fix)).code, 0, fix);
    await untilAttached(pm2, 'web');
    await apps.answers('web');
  });

  it('says in status when and why it ended last', async () => {
    const { stdout } = await advice.paste('pm2-ops status');
    assert.match(stdout, /^\d +web .*(just now|\d+ (s|min) ago): \S/m);
  });

  it('swallowed-rejections: a rejection that PM2 hides is found, and is gone with the restart of a repaired app', async () => {
    await get({ port: apps.port('web'), path: '/check' });
    const finding = await advice.finding('swallowed-rejections', 'web');
    assert.match(finding.what, /^1 promise rejection/);
    assert.match((await advice.paste(finding.commands[0]!)).stdout, /the order is not paid/);
    await pm2.ok('restart', 'web');
    await untilAttached(pm2, 'web');
    await advice.gone('swallowed-rejections', 'web');
  });

  it('heap-limit: V8 collects before PM2 would restart the app, once its line was typed', async () => {
    const finding = await advice.finding('heap-limit', 'web');
    assert.match(finding.what, /PM2 restarts it above max_memory_restart \(400 MB\)/);
    await advice.follow(finding);
    await untilAttached(pm2, 'web');
    await advice.gone('heap-limit', 'web');
    await apps.answers('web');
  });

  it('is known by its name when it was deleted, and by a trigger', async () => {
    await pm2.ok('delete', 'web');
    await waitFor(async () => (await exits())[0]?.cause === 'delete', {
      what: 'the delete to be recorded',
      everyMs: 200,
      context: async () => JSON.stringify(await exits(), null, 1),
    });
    const reply = await pm2.triggerOne<WhyReply>('pm2-ops', 'why', { target: 'web', last: 50 });
    assert.equal(reply.exits.filter(({ cause }) => cause === 'uncaught-exception').length, 3);
    assert.match(reply.next.join('\n'), /PM2 no longer manages web/);
  });

  it('has told no secret in any of that', async () => {
    const folder = join(pm2.home, 'pm2-ops/exits');
    const kept = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    assert.match(kept.join('\n'), /API_KEY=\[redacted\]/);
    const told = [...kept, (await advice.paste('pm2-ops why web --json')).stdout, pm2.logs('pm2-ops')];
    assert.ok(told.every((text) => !text.includes(CANARY)));
  });
});
