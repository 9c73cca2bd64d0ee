import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { it } from 'node:test';
import { freePort, start } from './service.js';

it('says all that is wrong with its configuration, without the secrets in it, and exits with 1', async (t) => {
  const service = start(t, {
    PORT: '65536',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://me:secret@host/db',
    OPS_TOKEN: 'short',
    REQUEST_TIMEOUT_MS: '1e3',
  });
  assert.equal(await service.exit(), '1');
  assert.deepEqual(service.stderr.trim().split('\n'), [
    'configuration: PORT must be an integer from 0 to 65535, is "65536"',
    'configuration: REQUEST_TIMEOUT_MS must be an integer from 100 to 3600000, is "1e3"',
    'configuration: LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, is "loud"',
    'configuration: DATABASE_URL must be a URL that begins with postgres:// or postgresql://',
    'configuration: OPS_TOKEN must have at least 16 characters, has 5 (openssl rand -hex 32)',
  ]);
  assert.deepEqual(service.messages, []);
});

it('exits with 1 and one clear line when its port is taken, and is never ready', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const service = start(t, { PORT: String(port) });
  assert.equal(await service.exit(), '1');
  assert.deepEqual(
    service.log().map(({ level, message }) => [level, message]),
    [['error', `start failed: 127.0.0.1:${port} is taken by another process (EADDRINUSE)`]],
  );
  assert.deepEqual(service.messages, []);
});

it('exits with 1 when a resource is down, says which, and not its password', async (t) => {
  const service = start(t, { REDIS_URL: `redis://me:secret@127.0.0.1:${await freePort()}` });
  assert.equal(await service.exit(), '1');
  const lines = service.log();
  assert.equal(lines.length, 1, service.stdout);
  assert.match(lines[0]!.message, /^start failed: redis: .*ECONNREFUSED/);
  assert.doesNotMatch(service.stdout + service.stderr, /secret/);
  assert.deepEqual(service.messages, []);
});
