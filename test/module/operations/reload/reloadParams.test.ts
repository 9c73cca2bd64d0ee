import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseReloadParams } from '../../../../module/operations/reload/reloadParams.ts';

/** What was understood beside the defaults. */
function given(raw: unknown): Record<string, unknown> | string {
  const params = parseReloadParams(raw);
  if (typeof params === 'string') return params;
  const standard = parseReloadParams({ app: params.app }) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(params).filter(([key, value]) => key === 'app' || value !== (standard as never)[key]),
  );
}

describe('what is typed behind pm2 trigger pm2-ops reload', () => {
  it('is the name of an app, whatever is in it', () => {
    for (const app of ['web', 'my app', '订单', 'a, b', 'line\nbreak', '-x', '{x', 'team/api']) {
      assert.deepEqual(given({ app }), { app });
      assert.deepEqual(given(JSON.stringify({ app })), { app });
      assert.deepEqual(given(`app=${app}`), { app });
      if (app !== '{x') assert.deepEqual(given(app), { app });
    }
  });

  it('may hold parameters as key=value, behind spaces or commas', () => {
    assert.deepEqual(given('web timeout=5000'), { app: 'web', timeout: 5000 });
    assert.deepEqual(given('app=my app, force=true,settle=10'), { app: 'my app', force: true, settle: 10 });
    assert.deepEqual(given('force=true app=my app'), { app: 'my app', force: true });
  });

  it('is refused with what is wrong', () => {
    assert.equal(given(''), 'which app?');
    assert.match(String(given('web timout=5')), /reload has no parameter "timout"/);
    assert.match(String(given('web timeout=soon')), /timeout must be milliseconds .*, got "soon"/);
    assert.match(String(given('app=web app=api')), /not understood/);
    assert.match(String(given('{"app":')), /not understood/);
  });
});
