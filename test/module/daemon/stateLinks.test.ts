import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openState } from '../../../module/daemon/state.ts';
import { tempFolder } from '../../support/folders.ts';

const own = process.geteuid?.() ?? 0;

describe('the state folder', () => {
  it('can be entered by its user only, also when it was there before', () => {
    const home = tempFolder();
    mkdirSync(join(home, 'pm2-ops'), { mode: 0o755 });
    const { folder, leaseFor } = openState(home);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(leaseFor(own)).mode & 0o777, 0o600);
  });

  it('is never what a link leads to', () => {
    const home = tempFolder();
    mkdirSync(join(home, 'elsewhere'), { mode: 0o755 });
    symlinkSync(join(home, 'elsewhere'), join(home, 'pm2-ops'));
    assert.throws(() => openState(home), /ENOTDIR|ELOOP|pm2-ops/);
    assert.equal(statSync(join(home, 'elsewhere')).mode & 0o777, 0o755);
  });
});

describe('the lease', () => {
  it('is renewed, and never through a link that was put in its place', () => {
    const home = tempFolder();
    const state = openState(home);
    const lease = state.leaseFor(own);
    utimesSync(lease, 1, 1);
    state.renewLease();
    assert.ok(Date.now() - statSync(lease).mtimeMs < 10_000);

    const other = join(home, 'other');
    writeFileSync(other, 'of somebody');
    utimesSync(other, 1, 1);
    rmSync(lease);
    symlinkSync(other, lease);
    state.renewLease();
    assert.equal(statSync(other).mtimeMs, 1_000);
    assert.equal(readFileSync(other, 'utf8'), 'of somebody');
    assert.ok(lstatSync(lease).isFile(), 'a link would end every agent: it is a file again');
  });
});
