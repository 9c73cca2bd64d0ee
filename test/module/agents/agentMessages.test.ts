import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentMessage } from '../../../contract/agentMessages.ts';
import { readAgentMessage } from '../../../module/agents/agentMessages.ts';

/** One of each kind, with all that it can hold. */
const MESSAGES: AgentMessage[] = [
  {
    kind: 'hello',
    nonce: 'f0',
    version: '0.1.0',
    pid: 7,
    state: 'serving',
    graceful: 'ours',
    addresses: [{ at: '0.0.0.0:3000', own: true, anyPort: true }, { at: '/run/app.sock' }],
    stays: true,
    kept: ['drain'],
    wrapper: false,
  },
  { kind: 'knock', version: '0.1.0', pid: 7 },
  { kind: 'state', pid: 7, state: 'drained', graceful: 'app', addresses: [] },
  {
    kind: 'leaves',
    report: {
      pid: 7,
      on: 'SIGINT',
      ms: 1.5,
      killTimeoutMs: 1600,
      finished: 1,
      closed: 2,
      cut: 1,
      cutRequests: ['GET /slow'],
      suggestedKillTimeoutMs: 3200,
    },
  },
  {
    kind: 'ask',
    id: '7-1.5-1',
    pid: 7,
    action: 'heapdump',
    params: { force: true, timeout: 1 },
    addressed: 'id',
    heapUsed: 1,
  },
  { kind: 'done', id: '7-1.5-1', pid: 7 },
  {
    kind: 'progress',
    pid: 7,
    action: 'heapdump',
    nonce: 'f0',
    progress: { phase: 'writing', detail: '3 requests', file: '/f' },
  },
  { kind: 'compress', id: '7-1.5-1', pid: 7, from: '/a', to: '/b' },
  { kind: 'compress-end', id: '7-1.5-1', pid: 7, bytes: 1 },
  { kind: 'echo', id: '7-1.5-1', pid: 7 },
  {
    kind: 'reply',
    nonce: 'f0',
    reply: { ok: true, action: 'gc', pid: 7, ms: 0, ...{ before: { heapUsed: 1 }, list: [null] } },
  },
  { kind: 'reply', nonce: 'f0', reply: { ok: false, action: 'gc', code: 'E_STATE', message: 'a', hint: 'b' } },
  { kind: 'bye', pid: 7, reason: 'it was told to detach' },
];

/** What a message may do without. */
const OPTIONAL = ['report.suggestedKillTimeoutMs', 'stays', 'nonce of progress', 'progress.detail', 'progress.file'];
/** Free fields: whoever shows them escapes them, and whoever opens them looks at where they are. */
const FREE = ['from', 'to', 'progress.file', 'reply.message', 'reply.hint', 'reply.before', 'reply.list'];

describe('a message that a process puts on the bus', () => {
  it('is taken as it is where it is one of an agent’s', () => {
    for (const message of MESSAGES) assert.deepEqual(readAgentMessage(message), { message });
  });

  it('is refused with a reason in words of ours where a field is missing, or is anything else', () => {
    for (const message of MESSAGES) {
      for (const { path, value, put } of fieldsOf(message)) {
        const without = readAgentMessage(put(undefined));
        const optional = OPTIONAL.includes(path) || OPTIONAL.includes(`${path} of ${message.kind}`);
        if (!FREE.includes(path) || path === 'reply.message') assert.equal('refused' in without, !optional, path);
        for (const wrong of wrongFor(value)) {
          if (FREE.includes(path) && path.startsWith('reply.') && typeof value !== 'string') continue;
          const heard = readAgentMessage(put(wrong));
          assert.ok('refused' in heard, `${message.kind}: ${path} = ${JSON.stringify(wrong)?.slice(0, 50)}`);
          assert.match(heard.refused, /^[\w "-]+$/, 'nothing of what it says');
          assert.ok(heard.refused.length < 100);
        }
      }
    }
  });

  it('has no text that could control a terminal or a log, nor one that is longer than it has to be', () => {
    for (const message of MESSAGES) {
      for (const { path, value, put } of fieldsOf(message)) {
        if (typeof value !== 'string' || FREE.includes(path)) continue;
        for (const hostile of ['\u001b[2J', 'a\nb', '\u009b31m', '\u202eabc', '\u0000', 'x'.repeat(1000)]) {
          const heard = readAgentMessage(put(hostile));
          if ('refused' in heard) continue;
          const text = JSON.stringify(heard.message);
          assert.doesNotMatch(text, /\\u00|\\n|[\p{Cc}\u202e]/u, `${path} = ${JSON.stringify(hostile)}`);
          assert.ok(text.length < 900, path);
        }
      }
    }
  });

  it('may be anything at all, however large or deep, and costs little', () => {
    const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`);
    const began = performance.now();
    for (const data of [
      undefined,
      null,
      0,
      '',
      'x'.repeat(50e6),
      [],
      {},
      { kind: 'toString' },
      { kind: '__proto__' },
      JSON.parse('{"kind":"ask","__proto__":{"params":{}},"constructor":1}'),
      { kind: 'bye', pid: 7, reason: 'x'.repeat(50e6) },
      { kind: 'reply', nonce: 'f0', reply: { ok: true, action: 'gc', pid: 7, ms: 0, deep } },
      { kind: 'hello', kept: new Array(1e6).fill('drain') },
      { kind: 'ask', params: Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`p${i}`, i])) },
      { kind: 'state', pid: Number.POSITIVE_INFINITY, state: 'serving', graceful: 'ours', addresses: [] },
      { kind: 'state', pid: 7, state: 'serving', graceful: 'ours', addresses: [{ at: 3000 }] },
      { kind: 'state', pid: 7, state: 'serving', graceful: 'ours', addresses: '0.0.0.0:3000' },
    ]) {
      const heard = readAgentMessage(data);
      assert.ok('refused' in heard || heard.message.kind === 'reply');
    }
    assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
  });

  it('that is no reply is told to whoever waits for one', () => {
    assert.deepEqual(readAgentMessage({ kind: 'reply', nonce: 'f0', reply: 5 }), {
      refused: 'a message "reply" whose reply is not what it has to be',
      nonce: 'f0',
    });
    assert.ok(!('nonce' in readAgentMessage({ kind: 'reply', nonce: {}, reply: 5 })));
  });
});

interface Field {
  path: string;
  value: unknown;
  /** The message with something else there. */
  put(value: unknown): unknown;
}

/** Its fields, and those of objects in it. */
function fieldsOf(message: object, before = ''): Field[] {
  return Object.entries(message).flatMap(([key, value]) => {
    const path = `${before}${key}`;
    const put = (other: unknown) => {
      const { [key]: _old, ...rest } = message as Record<string, unknown>;
      return other === undefined ? rest : { ...rest, [key]: other };
    };
    const isOpen = typeof value === 'object' && !Array.isArray(value) && ['report', 'progress', 'reply'].includes(key);
    const inner = isOpen ? fieldsOf(value as object, `${path}.`) : [];
    return [
      { path, value, put },
      ...inner.map((field) => ({ ...field, put: (other: unknown) => put(field.put(other)) })),
    ];
  });
}

/** Values of every other type, and impossible ones of the same. */
function wrongFor(value: unknown): unknown[] {
  const all: unknown[] = [null, true, 1, 'text', {}, [], [{}]];
  const others = all.filter((each) => typeOf(each) !== typeOf(value));
  const same: Record<string, unknown[]> = {
    number: [-1, Number.POSITIVE_INFINITY, Number.NaN],
    string: ['x'.repeat(2e6)],
  };
  return [...others, ...(same[typeOf(value)] ?? []), ...(Array.isArray(value) ? [[{}], [5]] : [])];
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}
