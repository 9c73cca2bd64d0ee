import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { appOf } from '../../../contract/app.ts';
import { type ReloadsOfPm2, watchReloadsOfPm2 } from '../../../module/pm2/reloadsOfPm2.ts';

const app = (name: string) => appOf({ namespace: 'default', name });

describe('which apps PM2 reloads', () => {
  const alive = new Set<number>();
  let nowMs = 0;
  let reloads: ReloadsOfPm2;
  beforeEach(() => {
    alive.clear();
    for (const pid of [1, 2, 3, 4]) alive.add(pid);
    nowMs = 1_000;
    reloads = watchReloadsOfPm2(
      (pid) => alive.has(pid),
      () => nowMs,
    );
  });

  it('those of which an instance lives on after another process has its id, until a moment after its end', () => {
    assert.equal(reloads.goesOnBeside(app('web'), 3), false);
    assert.equal(reloads.leaves(app('web'), 1), true);
    nowMs += 5_000;
    assert.equal(reloads.goesOnBeside(app('web'), 3), true);
    assert.equal(reloads.goesOnBeside(app('api'), 3), false);
    alive.delete(1);
    assert.equal(reloads.goesOnBeside(app('web'), 3), true);
    nowMs += 399;
    assert.equal(reloads.goesOnBeside(app('web'), 3), true);
    nowMs += 1;
    assert.equal(reloads.goesOnBeside(app('web'), 3), false);
  });

  it('one after the other is one reload, which is not waited for longer than ten seconds', () => {
    reloads.leaves(app('web'), 1);
    nowMs += 6_000;
    assert.equal(reloads.goesOnBeside(app('web'), 3), true);
    alive.delete(1);
    nowMs += 300;
    reloads.leaves(app('web'), 2);
    nowMs += 3_600;
    assert.equal(reloads.goesOnBeside(app('web'), 3), true);
    nowMs += 200;
    assert.equal(reloads.goesOnBeside(app('web'), 3), false);
    alive.delete(2);
    nowMs += 500;
    reloads.leaves(app('web'), 3);
    assert.equal(reloads.goesOnBeside(app('web'), 4), true, 'the next one counts anew');
  });

  it('what leaves is news once, and goes on beside others only', () => {
    assert.equal(reloads.leaves(app('web'), 1), true);
    assert.equal(reloads.leaves(app('web'), 1), false);
    assert.equal(reloads.goesOnBeside(app('web'), 1), false);
    assert.equal(reloads.goesOnBeside(app('web'), 2), true);
  });
});
