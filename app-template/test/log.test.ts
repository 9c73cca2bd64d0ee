import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { readConfig } from '../src/config.ts';
import { createLogger } from '../src/log.ts';
import { redactText } from '../src/redact.ts';
import { currentRequest, requestContext } from '../src/requestContext.ts';
import { ask, start } from './service.js';

/** What `work` writes to the log, parsed. */
function written(work: () => void): Record<string, unknown>[] {
  const original = process.stdout.write;
  let text = '';
  process.stdout.write = ((part: string) => {
    text += part;
    return true;
  }) as typeof process.stdout.write;
  try {
    work();
  } finally {
    process.stdout.write = original;
  }
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

it('writes no secret, wherever in a line it stands', () => {
  const log = createLogger(readConfig({}));
  const lines = written(() => {
    log.info({ authorization: 'Bearer hush', user: { password: 'hush', name: 'me' } }, 'fields');
    log.info({ req: { headers: { authorization: 'hush', cookie: 'sid=hush', host: 'x' } } }, 'headers');
    log.error({ err: new Error('connect postgres://me:hush@db:5432/x failed') }, 'errors');
    log.info('GET /x?token=hush&a=1 with Authorization: Bearer hush-hush-hush said "no"');
  });
  assert.doesNotMatch(JSON.stringify(lines), /hush/);
  assert.deepEqual(lines[0]?.user, { password: '[redacted]', name: 'me' });
  assert.deepEqual((lines[1]!.req as { headers: unknown }).headers, {
    authorization: '[redacted]',
    cookie: '[redacted]',
    host: 'x',
  });
  assert.match(String((lines[2]!.err as Error).message), /^connect postgres:\/\/me:\[redacted\]@db:5432\/x failed$/);
  assert.match(String(lines[3]?.message), /^GET \/x\?token=\[redacted\]&a=1 with .* said "no"$/);
});

it('leaves what is no secret as it is', () => {
  for (const text of ['http://host:3000/a@b', 'at 12:30:15 me@example.com', '{"a":"b:c@d"}', 'basic tests passed'])
    assert.equal(redactText(text), text);
});

it('keeps the request id through everything that is awaited', async () => {
  const log = createLogger(readConfig({}));
  const ids = await Promise.all(
    ['first', 'second'].map(
      (id) =>
        new Promise<unknown>((resolve) => {
          const req = { get: (name: string) => (name === 'x-request-id' ? id : undefined) };
          requestContext(req as never, { set() {} } as never, async () => {
            await turn();
            resolve([currentRequest()?.id, written(() => log.info('inside'))[0]?.requestId]);
          });
        }),
    ),
  );
  assert.deepEqual(ids, [
    ['first', 'first'],
    ['second', 'second'],
  ]);
});

it('speaks Elastic Common Schema where that is asked for', async (t) => {
  const service = start(t, { LOG_FORMAT: 'ecs' });
  const port = await service.port();
  await ask(port, '/', { headers: { 'x-request-id': 'abc' } });
  const line = await service.logged(/^request$/);
  assert.ok(Date.parse(String(line['@timestamp'])));
  assert.equal(line['log.level'], 'info');
  assert.equal(line['service.name'], 'app-template');
  assert.equal(line['service.node.name'], '0');
  assert.equal(line['http.request.id'], 'abc');
  assert.equal(typeof line['ecs.version'], 'string');
});
