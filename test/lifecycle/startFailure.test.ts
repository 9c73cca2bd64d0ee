import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { type Options, onEveryNode, start } from './helper.ts';

onEveryNode('a service that cannot start', (node) => {
  const database = { name: 'database' };
  const cases: [string, Options, RegExp, string[]][] = [
    [
      'a resource is down',
      {
        resources: [
          database,
          { name: 'queue' },
          { name: 'cache', open: { fails: 'connect ECONNREFUSED 127.0.0.1:1' } },
        ],
      },
      /^start failed: cache: connect ECONNREFUSED 127\.0\.0\.1:1$/,
      ['closing queue', 'closed queue', 'closing database', 'closed database'],
    ],
    [
      'a resource does not open in time',
      { resources: [database, { name: 'cache', open: 'never' }], startTimeoutMs: 1_000 },
      /^start failed: cache: not ready within 1000 ms$/,
      ['closing database', 'closed database'],
    ],
    [
      'warming up throws by a mistake in the code',
      { resources: [database], warmUp: { mistake: true } },
      /^start failed: Cannot read properties of undefined .*\(at \S*service\.mjs:\d+:\d+\)$/,
      ['closing database', 'closed database'],
    ],
    [
      'there is nothing to listen with',
      { resources: [database], servers: 0 },
      /^start failed: listen\(\) returned no server$/,
      ['closing database', 'closed database'],
    ],
  ];
  for (const [what, options, line, closed] of cases) {
    it(`because ${what} says so in one line, closes what was opened, exits with 1 and is never ready`, async (t) => {
      const service = start(t, node, options);
      assert.equal(await service.exit(), '1');
      const lines = service.stderr.trim().split('\n');
      assert.equal(lines.length, 1, service.stderr);
      assert.match(lines[0]!, line);
      assert.deepEqual(service.lines(/clos/), closed);
      assert.deepEqual(service.messages, []);
    });
  }

  for (const lateError of [false, true]) {
    it(`because its port is taken (${lateError ? 'found by nobody' : 'found by the server'}) says so in one line`, async (t) => {
      const other = createServer().listen(0, '127.0.0.1');
      t.after(() => other.close());
      await new Promise((resolve) => other.once('listening', resolve));
      const { port } = other.address() as { port: number };
      const service = start(t, node, { resources: [database], port, lateError });
      assert.equal(await service.exit(), '1');
      assert.match(service.stderr, new RegExp(`^start failed: .*127\\.0\\.0\\.1:${port}.*\\n$`));
      assert.match(service.stderr, /EADDRINUSE/);
      assert.deepEqual(service.lines(/clos/), ['closing database', 'closed database']);
      assert.deepEqual(service.messages, []);
    });
  }

  it('because it is told to leave before it serves leaves with 0, closed', async (t) => {
    const resources = [database, { name: 'cache', open: 'until aborted' as const }];
    const service = start(t, node, { resources });
    await service.said(/opening cache/);
    service.child.kill('SIGTERM');
    assert.equal(await service.exit(), '0');
    assert.deepEqual(service.lines(/clos/), ['closing database', 'closed database']);
    assert.match(service.stdout, /^SIGTERM: left before it served$/m);
    assert.deepEqual(service.messages, []);
    assert.equal(service.stderr, '');
  });
});
