import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redact, redactLines } from '../../../shared/text/redact.ts';

// Parts, so that no scanner takes this file for a leak.
const SECRET = ['hun', 'ter2/', 'x+9=='].join('');
const JWT = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', 'dozjgNryP4J3jVmNHl0w5N'].join('.');

describe('secrets in what an app says', () => {
  for (const text of [
    `DB_PASSWORD=${SECRET}`,
    `Error: cannot connect to postgres://app:${SECRET}@db.internal:5432/app`,
    `redis://:${SECRET}@cache:6379`,
    `amqp://u:p@${SECRET}@rabbit/vhost`,
    `fetching https://${SECRET.repeat(2).replaceAll('/', '')}@github.com/x/y.git`,
    `Authorization: Bearer ${SECRET}`,
    `  authorization: 'Basic ${SECRET}',`,
    `curl -H "Authorization: token ${SECRET}" https://api`,
    `bearer ${SECRET}`,
    `{"user":"ann","apiKey":"${SECRET}","n":1}`,
    `payload: {\\"password\\":\\"${SECRET}\\"}`,
    `{ password: '${SECRET} with a blank', user: 'ann' }`,
    `awsSecretAccessKey: ${SECRET}`,
    `AWS_SECRET_ACCESS_KEY => ${SECRET}`,
    `node server.js --token=${SECRET} --port 80`,
    `node server.js --db-password ${SECRET}`,
    `//registry/:_authToken=${SECRET}`,
    `Server=db;User=sa;Password=${SECRET};`,
    `DefaultEndpointsProtocol=https;AccountKey=${SECRET}`,
    `GET /reset?token=${SECRET}&lang=en`,
    `GET /callback?code=${SECRET.replace('=', '')}`,
    `Set-Cookie: sid=${SECRET}; HttpOnly`,
    `cookie: 'a=b; sid=${SECRET}'`,
  ])
    it(text.replaceAll(SECRET, '…'), () => {
      const redacted = redact(text);
      for (const part of [SECRET, 'hunter2', 'x+9']) assert.ok(!redacted.includes(part), redacted);
      assert.match(redacted, /\[redacted\]/);
    });

  it('keys that say whose they are', () => {
    for (const key of [
      JWT,
      `AKIA${'ABCD'.repeat(4)}`,
      `ghp_${'a1B2'.repeat(9)}`,
      `glpat-${'a1B2'.repeat(5)}`,
      `xoxb-${'12345-'.repeat(4)}abc`,
      `sk_live_${'a1B2'.repeat(6)}`,
      `sk-proj-${'a1B2'.repeat(6)}`,
      `npm_${'a1B2'.repeat(9)}`,
      `AIza${'a1B2-'.repeat(7)}`,
    ])
      assert.equal(redact(`rejected: ${key} (401)`), 'rejected: [redacted] (401)');
  });

  it('a private key, whole or only its end', () => {
    const body = [
      'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC',
      'BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj',
      'MzEfYyjiWA4R4/M2bS1+fWIcPm15A==',
    ];
    const key = ['-----BEGIN RSA PRIVATE KEY-----', ...body, '-----END RSA PRIVATE KEY-----'];
    for (const lines of [key, key.slice(2), key.slice(0, 3)]) {
      const text = redactLines(['before', ...lines]).join('\n');
      for (const line of body) assert.ok(!text.includes(line), text);
      assert.match(text, /^before\n/);
    }
  });

  it('and what only looks like one stays', () => {
    for (const text of [
      'Error: listen EADDRINUSE: address already in use :::3000',
      'SyntaxError: Unexpected token } in JSON at position 4',
      'JsonWebTokenError: invalid algorithm',
      'GET http://localhost:4873/@scope/package 404',
      'git@github.com:owner/name.git',
      'basic authentication is off',
      'max_tokens: 4096',
      '    at Object.<anonymous> (/srv/app/token/server.js:12:3)',
      'compass: north, bypass: true',
    ])
      assert.equal(redact(text), text);
  });

  it('is quick with whatever it is given', () => {
    const started = performance.now();
    for (const text of ['a'.repeat(1e6), 'token'.repeat(2e5), 'a://'.repeat(2e5), `password="${'\\"'.repeat(5e5)}`])
      redact(text);
    redactLines(Array.from({ length: 15 }, () => '://a:'.repeat(2e5)));
    assert.ok(performance.now() - started < 500, `${performance.now() - started} ms`);
  });
});
