import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from '../../testkit/load.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('a second signal', (node) => {
  for (const [first, second, code] of [
    ['SIGINT', 'SIGINT', '130'],
    ['SIGTERM', 'SIGTERM', '143'],
    ['SIGTERM', 'SIGINT', '130'],
  ] as const) {
    it(`${second} after ${first} ends the service at once`, async (t) => {
      const service = start(t, node, { killTimeoutMs: 60_000 });
      const port = await service.port();
      const slow = get({ port, path: '/slow?ms=50000' }).catch((error: Error) => error);
      await get({ port });
      service.child.kill(first);
      await waitFor(() => refuses(port), { what: 'the first to have been heard', timeoutMs: 20_000 });
      await sleep(150);
      assert.equal(service.child.exitCode, null, 'it waits for the request');
      service.child.kill(second);
      assert.equal(await service.exit(), code);
      assert.ok((await slow) instanceof Error);
      assert.match(service.stderr, new RegExp(`^${second} again: leaving at once$`, 'm'));
    });
  }

  it('within 100 ms is the same Ctrl-C, heard from the terminal and from PM2', async (t) => {
    for (;;) {
      const service = start(t, node, { killTimeoutMs: 60_000 });
      const port = await service.port();
      const slow = get({ port, path: '/slow?ms=1000' });
      slow.catch(() => {});
      await get({ port });
      const sentMs = performance.now();
      service.child.kill('SIGINT');
      service.child.kill('SIGTERM');
      // On a busy machine the second may not have been sent at once.
      if (performance.now() - sentMs > 20) continue;
      assert.equal((await slow).status, 200);
      assert.equal(await service.exit(), '0');
      assert.match(service.stdout, /\d finished, \d+ closed, 0 cut/);
      return;
    }
  });

  it("is PM2's own after its shutdown message, and not a second one", async (t) => {
    const service = start(t, node, { killTimeoutMs: 60_000 });
    const port = await service.port();
    const slow = get({ port, path: '/slow?ms=3000' });
    await get({ port });
    service.child.send('shutdown');
    await waitFor(() => refuses(port), { what: 'it to have been heard', timeoutMs: 20_000 });
    await sleep(150);
    service.child.kill('SIGINT');
    assert.equal((await slow).status, 200);
    assert.equal(await service.exit(), '0');
    assert.match(service.stdout, /^shutdown: drained/m);
  });
});

function refuses(port: number): Promise<boolean> {
  return get({ port }).then(
    () => false,
    () => true,
  );
}
