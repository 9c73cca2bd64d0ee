import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PmId } from '../../../contract/pmId.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { oneApp, oneProcess, processesOf } from '../../../module/fleet/target.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';

describe('what somebody types for processes', () => {
  const fleet = fleetOf(
    [0, 'web'],
    [1, 'web'],
    [2, 'api', 'blue'],
    [3, 'api', 'green'],
    [4, '订单 1'],
    [5, '7'],
    [6, '2'],
    ['_old_0', 'web'],
  );
  const ids = (target: string) => processesOf(fleet, target).map(({ process }) => process.pmId);

  it('is a pm_id, a name, name:pm_id, namespace:name or all, never a process that is being replaced', () => {
    assert.deepEqual(ids('1'), [1]);
    assert.deepEqual(ids('web'), [0, 1]);
    assert.deepEqual(ids('web:1'), [1]);
    assert.deepEqual(ids('订单 1'), [4]);
    assert.deepEqual(ids('订单 1:4'), [4]);
    assert.deepEqual(ids('api'), [2, 3]);
    assert.deepEqual(ids('api:3'), [3]);
    assert.deepEqual(ids('blue:api'), [2]);
    assert.deepEqual(ids('blue:api:2'), [2]);
    assert.deepEqual(ids('all'), [0, 1, 2, 3, 4, 5, 6]);
    for (const nobody of ['web:3', 'blue:web', 'blue', '_old_0', '99', '']) assert.deepEqual(ids(nobody), []);
  });

  it('digits are a pm_id first, and an app whose name is digits is meant by name:pm_id', () => {
    assert.deepEqual(ids('2'), [2]);
    assert.deepEqual(ids('2:6'), [6]);
    assert.deepEqual(ids('7'), [5]);
  });

  it('one app is meant by its name or by the id of an instance; one name in two namespaces is asked back', () => {
    const app = (target: string) => oneApp(fleet, target, 'reload');
    assert.deepEqual(titleOf(app('web')), ['web', false]);
    assert.deepEqual(titleOf(app('1')), ['web', true]);
    assert.deepEqual(titleOf(app('3')), ['green:api', true]);
    assert.deepEqual(titleOf(app('blue:api')), ['blue:api', false]);
    const both = app('api');
    assert.ok('message' in both);
    assert.match(
      both.message,
      /"api" is the name of 2 apps, in different namespaces: blue:api \(id 2\), green:api \(id 3\)/,
    );
    assert.equal(
      both.hint,
      'name one of them: pm2 trigger pm2-ops reload app=blue:api, or pm2 trigger pm2-ops reload app=green:api',
    );
    for (const nobody of ['all', 'nobody', '99']) {
      const refused = app(nobody);
      assert.ok('code' in refused && refused.code === 'E_PARAMS', nobody);
    }
  });

  it('one process: the ids are named where there are several', () => {
    const one = (target: string) => oneProcess(fleet, target, 'stack');
    const several = one('web');
    assert.ok('message' in several);
    assert.match(several.message, /web has the ids 0, 1: name one of them/);
    const both = one('api');
    assert.ok('message' in both);
    assert.match(both.message, /several apps: blue:api has the ids 2; green:api has the ids 3/);
    const blue = one('blue:api');
    assert.ok('process' in blue && blue.process.pmId === 2);
    const none = one('web:3');
    assert.ok('message' in none);
    assert.deepEqual([none.message, none.hint], ['web has no instance with that id', 'it has 0, 1']);
  });
});

function titleOf(app: ReturnType<typeof oneApp>): unknown {
  return 'title' in app ? [app.title, app.byId] : app;
}

function fleetOf(...processes: [pmId: PmId, name: string, namespace?: string][]) {
  const fleet = createFleet(() => true);
  const list = processes.map(([pmId, name, namespace = 'default'], index) => ({
    pmId,
    name,
    namespace,
    pid: 1000 + index,
  }));
  fleet.sync(list as ManagedProcess[]);
  return fleet;
}
