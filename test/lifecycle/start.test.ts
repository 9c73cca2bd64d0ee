import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { freePort } from '../../testkit/wait-for.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('a service that starts', (node) => {
  it('opens its resources in order, warms up, listens, and only then says ready', async (t) => {
    const port = await freePort();
    const resources = [
      { name: 'database', open: 150 },
      { name: 'cache', open: 50 },
    ];
    const service = start(t, node, { resources, warmUp: 100, port });
    await service.said(/opening cache/);
    await assert.rejects(get({ port }), /ECONNREFUSED/);
    assert.deepEqual(service.messages, []);
    await service.port();
    assert.equal((await get({ port })).status, 200);
    assert.deepEqual(
      service.lines(/./).map((line) => line.replace(/after \d+ ms/, 'after …')),
      [
        'opening database',
        'open database',
        'opening cache',
        'open cache',
        'warm',
        'listening, starting',
        `serving on 127.0.0.1:${port} after …`,
        'serving 10000',
      ],
    );
    assert.deepEqual(service.messages, ['ready']);
    assert.equal(service.stderr, '');
  });

  it('is ready when all of its servers listen', async (t) => {
    const service = start(t, node, { servers: 2 });
    const [line] = await service.said(/serving on .*/);
    const ports = [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port));
    assert.equal(ports.length, 2);
    for (const port of ports) assert.equal((await get({ port })).status, 200);
    assert.deepEqual(service.messages, ['ready']);
  });

  it('takes the time it has to leave from PM2, and knows its default', async (t) => {
    for (const [env, expected] of [
      [{ pm_id: '0', kill_timeout: '4000' }, '4000'],
      [{ pm_id: '0' }, '1600'],
      [{}, '10000'],
    ] as const)
      await start(t, node, {}, { env }).said(new RegExp(`^serving ${expected}$`, 'm'));
  });
});
